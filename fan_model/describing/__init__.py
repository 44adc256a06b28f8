"""How a picture looks, in words: a vision-language model, used plainly, and its answers as style phrases.

Whoever comes in asks `Describer`; settings read its options. Nothing of a user is known here.
"""
