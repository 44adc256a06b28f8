"""Measures of pictures and texts: pure functions of arrays, and the CLIP that judges.

Whoever in `evaluation` has drawn or measured comes here, and commands for the judge; nothing here knows of
users' rows or lakes.
"""
