"""Guesses of how files that nobody has described yet are read, for a first settings file.

Only `flows.setup` comes here, for `fan init`: a night reads what the settings say.
"""
