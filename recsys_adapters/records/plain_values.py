"""What a text of a file says, whoever wrote it: words for nothing are nothing, ids are no floats."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from recsys_adapters.records.sql_quoting import quoted_text

NULL_WORDS = (
    "NULL", "null", "(null)", "\\N", "None", "nan", "NaN", "NaT", "<NA>", "NA", "N/A", "n/a", "#N/A",
    "undefined", "-",
)  # fmt: skip
"""What databases, data frames, spreadsheets and web pages write where there is nothing."""

# Of what Unicode calls white or of no width, what stands at the ends of texts in life.
_BLANKS = " \t\xa0\u200b\u200c\u200d\u2060\ufeff\u3000"
_LARGEST_EXACT = 2**53 - 1
"""A double of 2**53 may have been written for the number after it."""
_MOST_PADDING = 16
"""Bytes of blanks that may stand around a word for nothing."""
_TEXT = r"""(?:'[^']*'|"[^"]*")"""
_NUMBER, _WORD = "[-+0-9.]+", "(?:nan|None|True|False)"
_CALL = r"(?:(?:np|numpy|datetime|uuid|decimal)\.\w+|Row|Decimal|UUID|Timestamp|array)\("
_LISTS = "(?s)" + "|".join(
    (
        rf"""\[\s*(?:['"].*['"]|{_TEXT}[\s,].*|{_NUMBER}(?:[\s,].*)?|{_WORD}(?:\s*,.*)?|{_CALL}.*\).*)\s*\]""",
        rf"""\[\s*[\[{{(]\s*(?:['"]|{_NUMBER}[\s,]|{_WORD}\s*,|{_CALL}).*[\]}})]\s*\]""",
        r"\[\s*\{.*\}\s*,\s*\{.*\}\s*\]",
        rf"""\{{\s*(?:['"]|(?:{_NUMBER}|{_WORD})\s*,|{_CALL}|[^{{}}]+ -> ).*\}}""",
        rf"""\(\s*(?:{_TEXT}|{_NUMBER}|{_WORD}|{_CALL}.*\))\s*,.*\)""",
        r"(?:Row|array)\(.*\)",
    )
)
"""Lists and dictionaries of Python, NumPy and Spark. `[deleted]`, `[no artist]` and `{3F25-04E0}` are ids."""


def trimmed_sql(text: str) -> str:
    """SQL of a text without blanks at its ends; NULL where nothing is left."""
    # To trim by so many blanks takes ten times as long as to see that there are none.
    return f"CASE WHEN {_has_no_blank(text)} THEN nullif({text}, '') ELSE nullif({_trim(text)}, '') END"


def _has_no_blank(text: str) -> str:
    return f"strlen({text}) = length({text}) AND NOT contains({text}, ' ') AND NOT contains({text}, chr(9))"


def _trim(text: str) -> str:
    return f"trim({text}, {quoted_text(_BLANKS)})"


def value_sql(text: str, null_words: Sequence[str]) -> str:
    """SQL of a text, NULL for a word that means nothing; the record must have `is_plain`."""
    null_word = f"WHEN {_is_null_word(text, null_words)} THEN NULL " if null_words else ""
    return f"CASE WHEN is_plain THEN {text} {null_word}{_when_formula(text, null_words)} ELSE {text} END"


def id_sql(text: str, null_words: Sequence[str], *, prefix: str = "", decimal: str = ".") -> str:
    """SQL of an id, the same however its file writes it: a whole number that became a float is one again.

    Args:
        text: SQL of the text as it stands; the record must have `is_plain`.
        null_words: words that mean nothing.
        prefix: stands before each id.
        decimal: what parts the whole from the fraction in a number of the file; a point does everywhere.
    """
    floats = _Floats(decimal)
    whole = f"regexp_replace({trimmed_sql(text)}, '^\\+|{floats.point}0+$', '', 'g')"
    exact = f"CAST(CAST({floats.number(text)} AS HUGEINT) AS VARCHAR)"
    exponent = f"CASE WHEN {floats.is_whole(text)} AND {floats.is_exact(text)} THEN {exact} ELSE {text} END"
    number = (
        f"CASE WHEN {floats.is_plain_float(text)} THEN {whole} "
        f"WHEN {floats.has_exponent(text)} THEN {exponent} ELSE {trimmed_sql(text)} END"
    )
    null_word = f"WHEN {_is_null_word(text, null_words)} THEN NULL " if null_words else ""
    found = (
        f"CASE WHEN is_plain THEN {text} {null_word}{_when_formula(text, null_words)} "
        f"WHEN {floats.may_be(text)} THEN {number} ELSE {trimmed_sql(text)} END"
    )
    return f"{quoted_text(prefix)} || {found}" if prefix else found


def lost_digits(name: str) -> str:
    """Why an id that is rounded is refused."""
    return f"{name} lost digits: it became a float before it was written; export it as a text"


def id_defect_sql(text: str, name: str, *, decimal: str = ".") -> str:
    """SQL of the reason to refuse an id that lost its digits, or is none; NULL for any other."""
    floats = _Floats(decimal)
    is_lost = (
        f"{floats.may_be(text)} AND ("
        f"{floats.has_exponent(text)} AND {floats.is_whole(text)} AND NOT {floats.is_exact(text)} "
        f"OR {floats.is_plain_float(text)} AND abs({floats.number(text)}) > {_LARGEST_EXACT})"
    )
    lost = quoted_text(lost_digits(name))
    nested = quoted_text(f"{name} is a list or an object: name it in unnest, or a path into it")
    is_nested = f"(json_valid({text}) OR regexp_full_match(trim({text}), {quoted_text(_LISTS)}))"
    return (
        f"CASE WHEN {is_lost} THEN {lost} "
        f"WHEN regexp_matches({text}, '^\\s*(?:[\\[{{(]|Row\\(|array\\()') AND {is_nested} THEN {nested} END"
    )


def _when_formula(text: str, null_words: Sequence[str]) -> str:
    """A case of SQL: `="007"`, by which spreadsheets are kept from making a number of a text, is the text."""
    inner = f"""replace({text}[3:-2], '""', '"')"""
    value = trimmed_sql(inner)
    if null_words:
        value = f"CASE WHEN {_is_word(inner, null_words)} THEN NULL ELSE {value} END"
    is_formula = f"""starts_with({text}, '="') AND ends_with({text}, '"') AND strlen({text}) > 2"""
    return f"WHEN {is_formula} THEN {value}"


def _is_null_word(text: str, null_words: Sequence[str]) -> str:
    words = ", ".join(map(quoted_text, null_words))
    longest = max(map(_size, null_words)) + _MOST_PADDING
    return (
        f"CASE WHEN {_is_word(text, null_words)} THEN true WHEN {_has_no_blank(text)} THEN false "
        f"WHEN strlen({text}) > {longest} THEN false ELSE list_contains([{words}], {_trim(text)}) END"
    )


def _is_word(text: str, words: Sequence[str]) -> str:
    # To look at its length first spares most texts the comparison. DuckDB would make an IN of so many words a
    # join, through which all records go, also those that are plain.
    by_length = groupby(sorted(words, key=_size), key=_size)
    return " OR ".join(
        f"strlen({text}) = {size} AND list_contains([{', '.join(map(quoted_text, alike))}], {text})"
        for size, alike in by_length
    )


def _size(word: str) -> int:
    return len(word.encode())


@dataclass(frozen=True)
class _Floats:
    """SQL of how whole numbers look that became floats."""

    decimal: str

    @property
    def point(self) -> str:
        """Regular expression of what parts the whole from the fraction."""
        return r"\." if self.decimal == "." else f"[.{re.escape(self.decimal)}]"

    def may_be(self, text: str) -> str:
        """Whether a text has one of the characters that floats have."""
        marks = dict.fromkeys((".", "+", self.decimal))
        return "(" + " OR ".join(f"contains({text}, {quoted_text(mark)})" for mark in marks) + ")"

    def is_plain_float(self, text: str) -> str:
        """Whether a text is such as `11.0`; where a comma is decimal, `1.000` may be a thousand."""
        zeros = r"\.0+" if self.decimal == "." else rf"(?:{re.escape(self.decimal)}0+|\.(?:0{{1,2}}|0{{4,}}))"
        pattern = f"[-+]?[0-9]+{zeros}"
        return f"regexp_full_match({trimmed_sql(text)}, {quoted_text(pattern)})"

    def has_exponent(self, text: str) -> str:
        """Whether a text is such as `1.5e+3`, or `1.5E3`, as Java and Spark write it; `1E5` may be a code."""
        pattern = rf"[-+]?[0-9](?:{self.point}[0-9]+[eE]\+?|[eE]\+)[0-9]+"
        return f"regexp_full_match({trimmed_sql(text)}, {quoted_text(pattern)})"

    def number(self, text: str) -> str:
        """The number that a text writes."""
        return f"TRY_CAST(replace({text}, {quoted_text(self.decimal)}, '.') AS DOUBLE)"

    def is_whole(self, text: str) -> str:
        """Whether a number with an exponent has no fraction."""
        return f"coalesce({self._decimals(text)} <= {self._exponent(text)}, false)"

    def is_exact(self, text: str) -> str:
        """Whether a number with an exponent still has all its digits."""
        # A spreadsheet shows six digits of a long id; what it wrote so cannot be had back.
        decimals, exponent = self._decimals(text), self._exponent(text)
        return (
            f"(abs({self.number(text)}) <= {_LARGEST_EXACT} AND ({decimals} < 5 OR {exponent} <= {decimals}))"
        )

    def _decimals(self, text: str) -> str:
        return f"length(regexp_extract({text}, '{self.point}([0-9]+)', 1))"

    def _exponent(self, text: str) -> str:
        return f"TRY_CAST(regexp_extract({text}, '[eE]\\+?([0-9]+)', 1) AS INTEGER)"
