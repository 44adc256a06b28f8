"""The gallery: pages on which people see what was drawn, of whose taste, beside what it would be without.

Only `stages` and `commands` come here: the stage that publishes, and the command that writes it anew.
"""
