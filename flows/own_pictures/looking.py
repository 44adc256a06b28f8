"""Looking at items' own pictures: each address once, some at a time, and what is refused with its reason."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from tqdm import tqdm

from feature_store.lake.lake import Lake
from feature_store.tables.item_pictures.seen_pictures import SeenPictureRow
from feature_store.tables.notes import Note, append_note, read_notes
from feature_store.tables.runs import Run
from recsys_adapters.pictures.picture_reader import ItemPicture, PictureReader
from recsys_adapters.pictures.picture_rules import PictureRules, RefusedPicture

READERS = 8
"""Threads that fetch pictures, for most of the time of fetching is waiting."""
PICTURES_AT_ONCE = 64
"""Pictures that are in memory together."""
NO_PICTURE = "of items without a stock_image_uri"

Keep = Callable[[Sequence[ItemPicture]], None]


def keep_nothing(_: Sequence[ItemPicture]) -> None:
    """Look at pictures for their checksums alone."""


def look_at(
    rules: PictureRules, items: Sequence[tuple[str, str | None]], keep: Keep = keep_nothing
) -> list[SeenPictureRow]:
    """Read the pictures of items, and say of each item what was seen.

    Args:
        rules: which pictures may be read.
        items: ids, each with the address of its picture, if it has one.
        keep: is given the pictures of some addresses at a time.
    """
    reader, uris = PictureReader(rules), list(dict.fromkeys(uri for _, uri in items if uri))
    seen: dict[str | None, tuple[str | None, str | None]] = {None: (None, NO_PICTURE), "": (None, NO_PICTURE)}
    with (
        ThreadPoolExecutor(READERS) as readers,
        tqdm(total=len(uris), desc="pictures", unit="picture", disable=not uris or None) as progress,
    ):
        for start in range(0, len(uris), PICTURES_AT_ONCE):
            some = uris[start : start + PICTURES_AT_ONCE]
            read = list(readers.map(reader.read, some))
            keep([one for one in read if isinstance(one, ItemPicture)])
            seen |= zip(some, map(_told, read), strict=True)
            progress.update(len(some))
    return [_row(item_id, uri, *seen[uri]) for item_id, uri in items]


def _told(read: ItemPicture | RefusedPicture) -> tuple[str | None, str | None]:
    """The checksum of a picture, or why it is refused."""
    return (read.sha256, None) if isinstance(read, ItemPicture) else (None, str(read.refusal))


def _row(item_id: str, uri: str | None, sha256: str | None, reason: str | None) -> SeenPictureRow:
    return SeenPictureRow(
        item_id=item_id,
        stock_image_uri=uri,
        picture_sha256=sha256,
        reason=reason,
        seen_at=datetime.now(UTC),
    )


def note_refused(
    lake: Lake, run: Run, rows: Sequence[SeenPictureRow], *, stage: str, outcome: str, table: str
) -> int:
    """Note how many pictures were refused, and why; return how many.

    Args:
        lake: where notes are.
        run: the night.
        rows: what was seen of each item.
        stage: that looked.
        outcome: what becomes of them, to be read after "3 of the pictures of 9 items".
        table: that has each with its reason.
    """
    refused = Counter(row.reason for row in rows if row.reason)
    if not refused:
        return 0
    reasons = ", ".join(f"{number:,} {reason}" for reason, number in refused.most_common())
    message = (
        f"{refused.total():,} of the pictures of {len(rows):,} items {outcome}: {reasons}; `{table}` has "
        "each with its reason"
    )
    note = Note(severity="warning", source=stage, message=message)
    # A night that is carried on looks again.
    if note not in read_notes(lake, run.run_id):
        append_note(lake, run.run_id, note)
    return refused.total()
