"""Personalized retrieval: a query's CLIP or SigLIP feature in a user's taste (the paper's section 4.4)."""
