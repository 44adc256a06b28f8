"""What keeps a workspace whole: checksums of its files, what heals them, its copies.

Only `flows`, `cli`, `commands` and `model` come here: commands, and whoever seals files that
it wrote.
"""
