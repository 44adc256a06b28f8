"""Vectors in FAISS: the two of each text, and features of items for retrieval.

Arrays in, arrays out; nothing here knows a user, or of the lake more than how files are written.
"""
