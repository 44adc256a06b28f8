"""What a text of a file says, whoever wrote it: words for nothing are nothing, ids are no floats."""

from collections.abc import Sequence

from recsys_adapters.records.sql_quoting import quoted_text

NULL_WORDS = ("NULL", "null", "\\N", "None", "nan", "NaN", "<NA>", "-")
"""What databases and data frames write where there is nothing."""

# Of what Unicode calls white or of no width, what stands at the ends of texts in life.
_BLANKS = " \t\xa0\u200b\u200c\u200d\u2060\ufeff\u3000"
_LARGEST_EXACT = 2**53
_FLOAT = r"[-+]?[0-9]+\.0+"
_EXPONENT = r"[-+]?[0-9](?:\.[0-9]+)?[eE]\+[0-9]+"


def trimmed_sql(text: str) -> str:
    """SQL of a text without blanks at its ends; NULL where nothing is left."""
    return f"nullif(trim({text}, {quoted_text(_BLANKS)}), '')"


def value_sql(text: str, null_words: Sequence[str]) -> str:
    """SQL of a text, NULL for a word that means nothing; the record must have `is_plain`."""
    if not null_words:
        return text
    return f"CASE WHEN NOT is_plain AND {_is_null_word(text, null_words)} THEN NULL ELSE {text} END"


def id_sql(text: str, null_words: Sequence[str], *, prefix: str = "") -> str:
    """SQL of an id, the same however its file writes it: a whole number that became a float is one again.

    Args:
        text: SQL of the text as it stands; the record must have `is_plain`.
        null_words: words that mean nothing.
        prefix: stands before each id.
    """
    whole = f"regexp_replace({trimmed_sql(text)}, '^\\+|\\.0+$', '', 'g')"
    exact = f"CAST(CAST(TRY_CAST({text} AS DOUBLE) AS HUGEINT) AS VARCHAR)"
    exponent = f"CASE WHEN {_is_exact(text)} THEN {exact} ELSE {text} END"
    number = (
        f"CASE WHEN regexp_full_match({trimmed_sql(text)}, {quoted_text(_FLOAT)}) THEN {whole} "
        f"WHEN regexp_full_match({trimmed_sql(text)}, {quoted_text(_EXPONENT)}) THEN {exponent} "
        f"ELSE {trimmed_sql(text)} END"
    )
    null_word = f"WHEN {_is_null_word(text, null_words)} THEN NULL " if null_words else ""
    found = (
        f"CASE WHEN is_plain THEN {text} {null_word}"
        f"WHEN contains({text}, '.') OR contains({text}, '+') THEN {number} ELSE {trimmed_sql(text)} END"
    )
    return f"{quoted_text(prefix)} || {found}" if prefix else found


def id_defect_sql(text: str, name: str) -> str:
    """SQL of the reason to refuse an id that lost its digits, or is none; NULL for any other."""
    written = trimmed_sql(text)
    is_lost = (
        f"regexp_full_match({written}, {quoted_text(_EXPONENT)}) AND NOT {_is_exact(text)} "
        f"OR regexp_full_match({written}, {quoted_text(_FLOAT)}) "
        f"AND abs(TRY_CAST({text} AS DOUBLE)) > {_LARGEST_EXACT}"
    )
    lost = quoted_text(f"{name} lost digits: it became a float before it was written; export it as a text")
    nested = quoted_text(f"{name} is a list or an object: name it in unnest, or a path into it")
    return (
        f"CASE WHEN contains({text}, '.') OR contains({text}, '+') THEN CASE WHEN {is_lost} THEN {lost} END "
        f"WHEN regexp_matches({text}, '^\\s*[\\[{{]') AND json_valid({text}) THEN {nested} END"
    )


def _is_null_word(text: str, null_words: Sequence[str]) -> str:
    longest = max(len(word.encode()) for word in null_words)
    words = ", ".join(map(quoted_text, null_words))
    # To look at its length first spares most texts the comparison. DuckDB would make an IN of so many words a
    # join, through which all records go, also those that are plain.
    return f"(strlen({text}) <= {longest} AND list_contains([{words}], {text}))"


def _is_exact(text: str) -> str:
    """SQL that says whether a number with an exponent still has all its digits."""
    # A spreadsheet shows six digits of a long id; what it wrote so cannot be had back.
    decimals = f"length(regexp_extract({text}, '\\.([0-9]+)', 1))"
    exponent = f"TRY_CAST(regexp_extract({text}, '\\+([0-9]+)', 1) AS INTEGER)"
    return (
        f"(abs(TRY_CAST({text} AS DOUBLE)) <= {_LARGEST_EXACT} "
        f"AND ({decimals} < 5 OR {exponent} <= {decimals}))"
    )
