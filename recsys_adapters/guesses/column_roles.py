"""Which column of a file is what: by its name first, by what its values look like where no name helps."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

NAMES: Mapping[str, tuple[str, ...]] = {
    "user_id": (
        "userid", "user", "uid", "customerid", "customer", "visitorid", "visitor", "memberid", "accountid",
        "reviewerid", "username", "profileid", "sessionid", "session",
    ),
    "item_id": (
        "itemid", "item", "iid", "movieid", "productid", "product", "sku", "articleid", "article",
        "parentasin", "asin", "videoid", "trackid", "songid", "bookid", "businessid", "isbn", "newsid",
        "gameid", "contentid", "filmid", "aid", "id",
    ),
    "event_time": (
        "eventtime", "timestamp", "time", "datetime", "ts", "createdat", "occurredat", "eventdate", "date",
        "tdat", "unixreviewtime", "viewedat", "purchasedat", "day",
    ),
    "kind": ("eventtype", "event", "action", "behaviortype", "behavior", "kind", "type", "interaction"),
    "weight": (
        "weight", "rating", "stars", "overall", "playcount", "plays", "hours", "watchratio", "count",
        "quantity",
    ),
    "event_id": ("eventid", "reviewid", "interactionid"),
    "title": (
        "title", "name", "producttitle", "productname", "movietitle", "booktitle", "prodname", "itemname",
    ),
    "stock_image_uri": (
        "stockimageuri", "imageuri", "imageurl", "image", "poster", "posterurl", "cover", "coverurl",
        "imurl", "thumbnail", "picture", "img",
    ),
    "rank": ("rank", "position", "place"),
    "score": ("score", "prediction", "predictedrating"),
}  # fmt: skip
"""Names of columns without their signs and in lower case, the most telling first."""
BARE_ID = "id"
"""Beside a user it is the id of the row itself: of an order, of an event, of the user."""
PLACES = ("position", "place")
"""Names of ranks that also say where on a page something happened."""
TIME_TYPES = ("TIMESTAMP", "DATE", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_NS", "TIMESTAMP_S", "TIMESTAMP_MS")
EPOCHS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
YEARS_2000_TO_2100 = (946_684_800, 4_102_444_800)
"""In seconds since 1970."""


@dataclass(frozen=True, kw_only=True)
class SeenColumn:
    """A column of a file, and what its first values are."""

    name: str
    sql_type: str
    """As DuckDB takes it: BIGINT, VARCHAR, TIMESTAMP, ..."""
    values: Sequence[object]
    """Distinct ones among the first records, without empty ones."""


def guess_roles(columns: Sequence[SeenColumn]) -> dict[str, str]:
    """Guess the column of each role; a role that no column seems to have is left out.

    Returns:
        Names of columns by role; no column has two.
    """
    free = {_plain(column.name): column for column in columns}
    roles: dict[str, str] = {}
    for role, names in NAMES.items():
        if "user_id" in roles:
            free.pop(BARE_ID, None)
        found = next((free.pop(name) for name in names if name in free), None)
        if found is not None:
            roles[role] = found.name
    if "event_time" not in roles:
        time = next((column for column in free.values() if column.sql_type in TIME_TYPES), None)
        if time is not None:
            roles["event_time"] = time.name
    return roles


def are_names(values: Sequence[str]) -> bool:
    """Whether the values of a file's first line are names of columns: of users or items, and of what else."""
    roles = guess_roles([SeenColumn(name=value, sql_type="VARCHAR", values=()) for value in values])
    return len(roles) > 1 and not {"user_id", "item_id"}.isdisjoint(roles)


def is_recommended(roles: Mapping[str, str]) -> bool:
    """Whether users and items are those of recommendation lists, and not of a log of what users did."""
    if "kind" in roles or not {"rank", "score"} & set(roles):
        return False
    if "event_time" not in roles:
        return True
    # A list may have its day. What happened at some time on a place of a page is an event.
    return "rank" in roles and ("score" in roles or _plain(roles["rank"]) not in PLACES)


def own_id(columns: Sequence[SeenColumn], roles: Mapping[str, str]) -> str | None:
    """The column that is the id of the rows themselves, if there is one: it names no item."""
    if "user_id" not in roles:
        return None
    taken = roles.values()
    return next((c.name for c in columns if _plain(c.name) == BARE_ID and c.name not in taken), None)


def guess_time_format(column: SeenColumn) -> str:
    """Guess how a column writes times, in the words of the setting `time_format`."""
    if column.sql_type in TIME_TYPES:
        return "auto"
    numbers = [value for value in column.values if isinstance(value, int | float)]
    if not numbers:
        return "auto"
    middle = sorted(numbers)[len(numbers) // 2]
    low, high = YEARS_2000_TO_2100
    units = [unit for unit, factor in EPOCHS.items() if low <= middle / factor < high]
    return units[0] if units else "auto"


def _plain(name: str) -> str:
    bare = re.sub(r":(token|float)(_seq)?$", "", name.lower())
    return re.sub(r"[^a-z0-9]+", "", bare)
