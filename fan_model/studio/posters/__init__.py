"""Film posters drawn by rule: a spec decides the picture and, in many wordings, its caption.

`training` and the figures of `evaluation.bundled_model` come here.
"""
