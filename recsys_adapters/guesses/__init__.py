"""Guesses of how files that nobody has described yet are read, for a first settings file.

`fan init` comes here, and nobody else: a night reads what the settings say.
"""
