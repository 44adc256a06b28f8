"""What a terminal is shown: texts of sources are text there, and never commands to the terminal."""

import unicodedata

CONTROLS = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
"""Kinds of signs that a terminal obeys or that turn the order of others: escapes, right-to-left marks."""
KEPT = "\n\t"


def printable(text: str) -> str:
    r"""Write signs that a terminal would obey as `\\x1b` or `\\u202e`; line ends and tabs stay."""
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(_shown(sign) for sign in text)


def _shown(sign: str) -> str:
    if sign in KEPT or unicodedata.category(sign) not in CONTROLS:
        return sign
    return sign.encode("unicode_escape").decode("ascii")
