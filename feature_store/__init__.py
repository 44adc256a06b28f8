"""What is known: the tables of the lake, the reference vectors, and a history as of a time. Never imports torch."""
