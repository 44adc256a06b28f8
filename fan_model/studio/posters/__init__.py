"""Film posters drawn by rule: a spec decides the picture and, in many wordings, its caption.

Only `studio.training` and `evaluation.bundled_model` come here.
"""
