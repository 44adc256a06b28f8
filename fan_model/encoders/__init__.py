"""Pre-trained encoders with personalized attention, and the conditions that image models consume.

Texts in, tensors out; what is recorded of a text is kept in a key-value cache.
"""
