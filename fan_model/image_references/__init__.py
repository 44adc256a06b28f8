"""Pictures in the place of texts: what is liked is looked at, and an image model is given what was seen.

`drawing` comes in with a target's picture and the weighted pictures that speak for a user. Here are the image
encoders that look at them, and how each family of pipelines takes what they saw.
"""
