"""How the bundled model is made from posters: reader, judge, codec and painter, each resumes.

The command `fan studio` comes here, and nobody else.
"""
