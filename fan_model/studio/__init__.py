"""How the bundled model is made: posters that are drawn by rule, and the training on them.

Nothing here is needed to draw with the model that is `bundled`.
"""
