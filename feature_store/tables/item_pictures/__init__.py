"""Items' own pictures as nights last saw them: what artworks begin as, and what speaks for users.

The stages that look at pictures come here, and care of the store.
"""
