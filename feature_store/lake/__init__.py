"""The lake: the connection, its transactions and locks, and files that are written whole or not at all.

Every other room of the store stands on this one; it knows no table by its meaning.
"""
