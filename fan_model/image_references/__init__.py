"""Pictures in the place of texts: what is liked is looked at, and an image model is given what was seen.

Here are the image encoders that look at them, and how each family of pipelines takes what they saw. Only
`drawing`, `retrieval`, `loading`, `flows.stages`, `flows.own_pictures` and `flows.setup` come here.
"""
