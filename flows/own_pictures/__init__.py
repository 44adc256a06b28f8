"""Items' own pictures in a night: looked at for changes, begun with, or acting as references.

Only `stages`, `setup` and `keeping` come here: where the settings say that such pictures act, to
look ahead at a night, and to try whether pictures can be drawn again.
"""
