"""Vectors in FAISS: the two of each text, and features of items for retrieval.

Arrays in, arrays out; nothing here knows a user or the lake.
"""
