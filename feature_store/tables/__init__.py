"""One module per table that a night reads and writes, or that readers ask for.

Stages, commands and rooms of the store come here for the rows that they work on;
how rows are stored is the `lake`'s affair.
"""
