"""Personalized retrieval: a query's CLIP or SigLIP feature in a user's taste (the paper's section 4.4).

Only `flows.questions` and `evaluation.measures` come here: for `fan search`, and for the CLIP that
the judge of evaluations reads alike.
"""
