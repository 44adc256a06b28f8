"""Records that hold a list, made into one record for each of its elements."""

from collections.abc import Sequence
from dataclasses import dataclass

from recsys_adapters.formats.record_format import FileColumn
from recsys_adapters.records.sql_quoting import quoted_name, quoted_text

LIST_ROLE = "the list"


@dataclass(frozen=True, kw_only=True)
class Unnesting:
    """How lists are written, and what is inside their elements."""

    column: str
    """The column of the list: of texts, or of objects, whose keys are named by path (`events.aid`)."""
    separator: str = ""
    """What parts the elements of a list that is a text; none: it is as JSON or Python writes lists."""
    parts: str = ""
    """What parts an element itself: its parts are called `column.1`, `column.2`, ..."""

    def read_columns(self, columns: Sequence[FileColumn]) -> tuple[FileColumn, ...]:
        """What to read from the file, for columns some of which are inside the list."""
        outer = tuple(column for column in columns if self._inner(column) is None)
        return (*outer, FileColumn(LIST_ROLE, self.column))

    def sql(self, records: str, columns: Sequence[FileColumn], parallel: Sequence[str] = ()) -> str:
        """SQL of one record for each element, with its place (from 1) as `position`.

        `is_listed` says whether there was a list; a lone value is a list of one. `has_parallel` says whether
        another list stood beside it. Of an empty list there is one record, with that as its defect.

        Args:
            records: SQL of the records with the columns of `read_columns`.
            columns: those wanted.
            parallel: roles of other lists, whose element at the same place is the value.
        """
        whole = quoted_name(LIST_ROLE)
        inner = {column.role: path for column in columns if (path := self._inner(column)) is not None}
        outer = [column.role for column in columns if column.role not in inner]
        values = [f"{self._element_sql(path)} AS {quoted_name(role)}" for role, path in inner.items()]
        values += [
            f"{_at_place(role) if role in parallel else quoted_name(role)} AS {quoted_name(role)}"
            for role in outer
        ]
        is_empty = f"is_listed AND len(found) = 0 THEN {quoted_text(f'{self.column} is an empty list')}"
        defect = f"coalesce(defect, CASE WHEN {is_empty} END)"
        beside = [f"coalesce({_is_json_list(role)}, false)" for role in parallel if role in outer]
        return f"""
            SELECT place, line, raw, {defect} AS defect, false AS is_plain, position, is_listed,
                {" OR ".join([*beside, "false"])} AS has_parallel, {", ".join(values)}
            FROM (SELECT *, unnest(elements) AS element, generate_subscripts(elements, 1) AS position
                FROM (SELECT *, CASE WHEN len(found) > 0 THEN found ELSE [NULL] END AS elements
                    FROM (SELECT *, {self._elements_sql(whole)} AS found,
                            {self._is_list_sql(whole)} AS is_listed FROM ({records}))))"""

    def _inner(self, column: FileColumn) -> str | None:
        """The path inside the element of a column, empty for the element itself; None for other columns."""
        if column.name == self.column:
            return ""
        prefix = f"{self.column}."
        return column.name.removeprefix(prefix) if column.name.startswith(prefix) else None

    def _is_list_sql(self, text: str) -> str:
        # Where elements have a separator, a value without it is a list of one, and not another thing.
        return (
            f"(trim({text}) <> '' OR contains({text}, {quoted_text(self.separator)}))"
            if self.separator
            else f"starts_with(ltrim({text}), '[')"
        )

    def _elements_sql(self, text: str) -> str:
        """SQL of the list of a text's elements, NULL where it is no list."""
        if self.separator:
            return (
                f"list_filter(string_split({text}, {quoted_text(self.separator)}), lambda x: trim(x) <> '')"
            )
        as_json = f"CASE WHEN json_valid({text}) THEN {text} ELSE {_list_sql(text)} END"
        elements = f"json_extract({as_json}, '$[*]')"
        alone = f"CASE WHEN trim({text}) <> '' THEN [{text}] END"
        texts = f"list_transform({elements}, lambda x: CAST(x AS VARCHAR))"
        return f"CASE WHEN {self._is_list_sql(text)} AND {as_json} IS NOT NULL THEN {texts} ELSE {alone} END"

    def _element_sql(self, path: str) -> str:
        if self.parts and path.isdecimal():
            return f"nullif(string_split(element, {quoted_text(self.parts)})[{int(path)}], '')"
        if self.separator:
            return "nullif(element, '')"
        pointer = quoted_text("$" if not path else "/" + path.replace(".", "/"))
        inner = f"nullif(json_extract_string(element, {pointer}), '')"
        return inner if path else f"CASE WHEN json_valid(element) THEN {inner} ELSE nullif(element, '') END"


def _at_place(role: str) -> str:
    """SQL of the element of a list at the place, or the text itself where it is no list."""
    text = quoted_name(role)
    element = f"json_extract_string({_json_list_sql(text)}, '/' || (position - 1))"
    return f"CASE WHEN {_is_json_list(role)} THEN {element} ELSE {text} END"


def _is_json_list(role: str) -> str:
    return f"{_json_list_sql(quoted_name(role))} IS NOT NULL"


def _json_list_sql(text: str) -> str:
    """SQL of a list in JSON, whoever wrote it; NULL where a text is none."""
    is_json = f"starts_with(ltrim({text}), '[') AND json_valid({text})"
    return f"CASE WHEN {is_json} THEN {text} ELSE {_list_sql(text)} END"


def _list_sql(text: str) -> str:
    """SQL in JSON of a list that Python or NumPy wrote, NULL where a text is none."""
    plain = _without_types(text)
    either = f"coalesce({_if_json(_with_commas(plain))}, {_if_json(plain)})"
    return f"CASE WHEN starts_with(ltrim({text}), '[') THEN {either} END"


def _without_types(text: str) -> str:
    """SQL of a list with the value in the place of NumPy's `np.int64(5)`, and JSON's words for Python's."""
    called = quoted_text(r"""\b(?:np|numpy)\.\w+\(('[^']*'|"[^"]*"|[^()'"]*)\)""")
    plain = f"regexp_replace({text}, {called}, '\\1', 'g')"
    for word, json in (("None", "null"), ("True", "true"), ("False", "false")):
        # Twice, for a comma between two words is part of one match alone.
        for _ in range(2):
            plain = f"regexp_replace({plain}, '([\\[,:]\\s*){word}(\\s*[,\\]}}])', '\\1{json}\\2', 'g')"
    return plain


def _if_json(text: str) -> str:
    """SQL of a text with JSON's quotes in the place of Python's, NULL if it is no JSON then either."""
    json = f"replace({text}, {quoted_text(chr(39))}, {quoted_text(chr(34))})"
    return f"CASE WHEN json_valid({json}) THEN {json} END"


def _with_commas(text: str) -> str:
    """SQL of an array as NumPy writes it, `[1 2]`, `[1. 2.]` or `['a' 'b']`, with commas."""
    whole = f"regexp_replace({text}, '[.](\\s|\\])', '.0\\1', 'g')"
    numbers = f"regexp_replace({whole}, '([0-9])\\s+', '\\1, ', 'g')"
    between = quoted_text(r"""(['"])\s+(['"])""")
    texts = f"regexp_replace({text}, {between}, '\\1, \\2', 'g')"
    return f"CASE WHEN regexp_full_match({text}, '[-+0-9.eE\\s\\[\\]]*') THEN {numbers} ELSE {texts} END"
