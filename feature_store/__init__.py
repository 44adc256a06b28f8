"""What is known: the lake's tables, the reference vectors, a history as of a time. Never imports torch."""
