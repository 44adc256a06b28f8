"""What counts as a user's history, and what follows from it: references, whole tastes, neighbours, opt-outs.

Every question about a user's past is asked here, so that no two answers differ.
"""
