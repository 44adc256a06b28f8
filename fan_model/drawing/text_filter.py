"""Which texts nothing is drawn from: a hook, by default a file of blocked phrases."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path

TextFilter = Callable[[str], bool]
"""Whether a text is blocked; called for each prompt and each reference that is used."""

DEFAULT_TEXT_FILTER = "fan_model.drawing.text_filter:Blocklist.read"
"""The factory of the filter, where no other is named."""
DEFAULT_BLOCKLIST = Path(__file__).with_name("blocklist.txt")


def block_nothing(text: str) -> bool:
    """The filter that lets every text pass."""
    return False


class Blocklist:
    """Blocks the texts that contain one of its phrases as whole words, in any case and spacing.

    Args:
        phrases: What is blocked; compared after Unicode's compatibility folding (full-width letters are
            letters), case folding, and with everything between words as one space.
    """

    def __init__(self, phrases: Iterable[str]) -> None:
        spellings = sorted({_fold(phrase) for phrase in phrases} - {""})
        self._pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, spellings))})\b") if spellings else None

    @classmethod
    def read(cls, file: str | Path = DEFAULT_BLOCKLIST) -> "Blocklist":
        """Read a UTF-8 file of one phrase per line; empty lines and those that begin with # do not count.

        Raises:
            FileNotFoundError: There is no such file: without it nothing would be filtered.
        """
        lines = Path(file).read_text(encoding="utf-8").splitlines()
        return cls(line for line in lines if not line.lstrip().startswith("#"))

    def __call__(self, text: str) -> bool:
        """Whether the text is blocked."""
        return self._pattern is not None and self._pattern.search(_fold(text)) is not None


def _fold(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(re.findall(r"\w+", folded))
