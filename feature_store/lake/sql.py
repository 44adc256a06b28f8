"""Names and literals, as SQL writes them."""

LAKE = "lake"
"""The catalogue that a connection of the lake has attached."""


def quote(text: str) -> str:
    """Write a text as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"
