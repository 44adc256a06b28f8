"""How the bundled model is made from posters: reader, judge, codec and painter, each resumes.

Only `flows.commands` comes here, for `fan studio`.
"""
