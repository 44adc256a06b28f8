"""Guesses of how files that nobody has described yet are read, for a first settings file."""
