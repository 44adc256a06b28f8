"""Items' own pictures as nights last saw them: what artworks begin as, and what speaks for users.

Only `flows.stages`, `flows.own_pictures` and `upkeep` come here: who looks at pictures, and care
of the store.
"""
