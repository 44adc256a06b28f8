"""Faults in SQL, of which much of the store's logic is made: in every string that looks like SQL."""

import ast
import re
from collections.abc import Iterator

SWAPS = [
    (r" <= ", " < "), (r" < ", " <= "), (r" >= ", " > "), (r" > ", " >= "), (r" = ", " <> "),
    (r" <> ", " = "),
    (r"\bAND\b", "OR"), (r"\bOR\b(?! REPLACE)", "AND"), (r"\bNOT (?!DISTINCT|MATCHED)", ""),
    (r"(?<!NOT )\bIN \(", "NOT IN ("), (r"\bIS NULL\b", "IS NOT NULL"),
    (r"\bIS NOT DISTINCT FROM\b", "="), (r"\bIS DISTINCT FROM\b", "<>"),
    (r"\bDESC\b", "ASC"), (r"(ORDER BY ([\w.]+\([\w.]+\)|[\w.]+))(?! DESC|[\w.(])", r"\1 DESC"),
    (r"\bmin\(", "max("), (r"\bmax\(", "min("), (r"\barg_min\(", "arg_max("), (r"\barg_max\(", "arg_min("),
    (r"\bgreatest\(", "least("), (r"\bf?sum\(", "max("), (r"\bavg\(", "max("),
    (r"\bcount\(DISTINCT ", "count("), (r"(?<!count\()\bDISTINCT (?!ON\b|FROM\b)", ""),
    (r"\bLEFT JOIN\b", "JOIN"), (r"(?<!LEFT |ANTI |SEMI )\bJOIN\b", "LEFT JOIN"),
    (r"\bANTI JOIN\b", "SEMI JOIN"), (r"\bSEMI JOIN\b", "ANTI JOIN"), (r"\bUNION( ALL)?\b", r"EXCEPT\1"),
    (r" \+ ", " - "), (r" - ", " + "), (r" % ", " * "), (r"(?<=LIMIT )(1|\$\w+|\{\w+\})", "1000"),
    (r"(USING|DISTINCT ON) \((\w+), (\w+)\)", r"\1 (\2)"),
    (r"(USING|DISTINCT ON) \((\w+), (\w+)\)", r"\1 (\3)"),
    (r"coalesce\((.+?), ([^(),]+)\)", r"\1"), (r"\bPARTITION BY [\w.]+ ?", ""),
    (r"known_events\((\S+), (\S+)\)", r"known_events(\2, \1)"),
]  # fmt: skip
"""What is looked for, and what stands in its place, one at a time."""
TERM = re.compile(r"(?<!DISTINCT )\b(WHERE|AND|OR|ON|HAVING|QUALIFY)\b (?!\(|REPLACE)")
"""What a condition follows that can be left out."""
END = re.compile(
    r" (WHERE|AND|OR|GROUP BY|ORDER BY|HAVING|QUALIFY|LIMIT|(LEFT |ANTI |SEMI )?JOIN|UNION|WHEN|THEN)\b"
)
LOOKS_LIKE_SQL = re.compile(
    r"\b(SELECT|FROM|WHERE|JOIN|AND|OR|NOT IN|DISTINCT|DESC|DELETE|INSERT|UPDATE|MERGE|LIMIT)\b|^\S+ [=%] \S+"
)


def sql_mutants(source: str) -> list[str]:
    """Return the module's source with one fault in one string of SQL each."""
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line.encode()))
    encoded, found = source.encode(), []
    for node in _texts(ast.parse(source)):
        start, end = (
            starts[node.lineno - 1] + node.col_offset,
            starts[node.end_lineno - 1] + node.end_col_offset,
        )
        for changed in changed_sql(encoded[start:end].decode()):
            found.append((encoded[:start] + changed.encode() + encoded[end:]).decode())
    return found


def changed_sql(sql: str) -> Iterator[str]:
    """Yield a text of SQL with one fault each."""
    for pattern, replacement in SWAPS:
        for match in re.finditer(pattern, sql):
            yield sql[: match.start()] + match.expand(replacement) + sql[match.end() :]
    for match in TERM.finditer(sql):
        neutral = "false" if match[1] == "OR" else "true"
        yield sql[: match.end()] + neutral + sql[_end_of_term(sql, match.end()) :]


def _end_of_term(sql: str, start: int) -> int:
    """Where the condition ends that begins at `start`."""
    depth = 0
    for place in range(start, len(sql)):
        depth += (sql[place] in "([{") - (sql[place] in ")]}")
        if depth < 0 or (depth == 0 and (sql[place] in '"\n' or END.match(sql, place))):
            return place
    return len(sql)


def _texts(tree: ast.Module) -> Iterator[ast.Constant | ast.JoinedStr]:
    """All strings that look like SQL, but not docstrings and what errors say."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.JoinedStr) or (
            isinstance(node, ast.Constant) and isinstance(node.value, str)
        ):
            if LOOKS_LIKE_SQL.search(ast.unparse(node)[1:].strip("'\"")):
                yield node
        elif not isinstance(node, ast.Raise) and not _is_docstring(node):
            waiting += ast.iter_child_nodes(node)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
