"""Personalized retrieval: a query's CLIP or SigLIP feature in a user's taste (the paper's section 4.4).

`fan search` comes here, and the judge of evaluations for the CLIP that both read alike.
"""
