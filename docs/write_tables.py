"""Write docs/tables.md from the tables' own definitions: `python -m docs.write_tables`."""

from collections.abc import Iterator
from pathlib import Path

from feature_store.schemas import PUBLISHED_TABLES, TABLES, Table

PAGE = Path(__file__).with_name("tables.md")

PREFACE = """<!-- Written by `python -m docs.write_tables` from feature_store/schemas: change it there. -->

# The tables of the lake

Every time is UTC: `event_time` is when something happened, `ingested_at` when the lake learnt of it. Tables
stand in three schemas, and all but the helpers of a night answer to their plain names:

| schema | what is in it | what a plain name shows |
|---|---|---|
| `main` | what is about no user | the table itself |
| `keyed` | what is known of users | a view of what is known now, with `user_id` before the own columns |
| `night` | what a night makes for users | `targets`, `profiles`, `artworks`: the last published night's |

**Users are pseudonyms.** A user is a random `user_key` in every table, file name, page and log.
`keyed.users` alone holds who is who, and the views look `user_id` up there. `fan forget` deletes that row,
too, and then nobody can tell whose a key was.

**What was drawn, for whom and why**, joined up in one row, is the view `pictures`: `user_id`, `title`,
`prompt`, `picture` (or the item's own, where there is none), `visible_change`, its `reference_titles` in
order of selection, `status` and `reason`:

```sql
SELECT user_id, title, picture, reference_titles FROM pictures ORDER BY visible_change DESC LIMIT 10;
```

**What counts as a history** is a macro. `known_events(as_of, known_before)` returns the events of before
`as_of`, as they were known before `known_before`: without late events and later corrections, and none of
users who opted out. Nights, commands and analysts all ask it:

```sql
SELECT user_key, count(*) AS events FROM known_events(TIMESTAMPTZ '2017-01-01', now()) GROUP BY ALL;
```
"""
COLUMNS = "| column | type | empty? | what it means |\n|---|---|---|---|"


def describe_tables() -> str:
    """Return the page: what the schemas are, then each table with its columns."""
    return "\n".join([PREFACE, *(_describe(table) for table in TABLES)])


def _describe(table: Table) -> str:
    key = f" A row is known by {', '.join(f'`{name}`' for name in table.key)}." if table.key else ""
    heading = f"## {table.name}\n\n`{table.qualified_name}`{_shown(table)}. {table.comment}{key}"
    return "\n".join([heading, "", COLUMNS, *_rows(table), ""])


def _shown(table: Table) -> str:
    if table in PUBLISHED_TABLES:
        return f"; `{table.name}` is that of the last published night"
    if table.schema == "keyed" and table.name != "users":
        return f"; `{table.name}` is that of now"
    return ""


def _rows(table: Table) -> Iterator[str]:
    for column in table.columns:
        empty = "" if column.required else "may be"
        yield f"| `{column.name}` | {column.sql_type} | {empty} | {column.comment} |"


if __name__ == "__main__":
    PAGE.write_text(describe_tables(), encoding="utf-8")
