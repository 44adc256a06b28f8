"""Items' own pictures in a night: looked at for changes, begun with, or acting as references.

Stages come here where the settings say that such pictures act, and who looks ahead at a night or keeps a
workspace whole.
"""
