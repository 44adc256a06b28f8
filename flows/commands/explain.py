"""Why a picture looks as it does, in words."""

from collections.abc import Sequence

from feature_store.lake.lake import Lake
from feature_store.tables.published import (
    PublishedPicture,
    PublishedReference,
    read_items_of,
    read_picture,
)


class NoPictureError(LookupError):
    """There is no published picture of that item for that user."""


def explain(lake: Lake, user_id: str, item_id: str) -> str:
    """Say what the picture of an item for a user was made of.

    Raises:
        NoPictureError: if there is none, naming the items that the user has pictures of.
    """
    picture = read_picture(lake, user_id, item_id)
    if picture is None:
        items = ", ".join(read_items_of(lake, user_id)) or "none"
        raise NoPictureError(
            f"no published picture of item {item_id} for user {user_id}, whose pictures are of items: {items}"
        )
    paragraphs = (_about(picture, user_id), _because(picture), _file(picture))
    return "\n\n".join("\n".join(lines) for lines in paragraphs if lines)


def _about(picture: PublishedPicture, user_id: str) -> list[str]:
    return [f"{picture.name}, drawn for user {user_id} (number {picture.rank} of this user's list)"]


def _because(picture: PublishedPicture) -> list[str]:
    references = picture.references
    if not references and picture.image_path is None:
        return []
    if not references:
        return ["The user had no history that could be used, so the picture is the plain one."]
    lines = [
        f"The prompt is «{picture.target_text}».",
        f"{picture.alpha:.0%} of each personalized attention layer looks at {len(references)} references, "
        f"{1 - picture.alpha:.0%} at the prompt itself.",
        _where_from(references),
        "",
        " share  weight  relevance  reference",
    ]
    return lines + [_reference_line(row) for row in references]


def _where_from(references: Sequence[PublishedReference]) -> str:
    first = references[0]
    size, before = first.history_size, f"{first.as_of:%Y-%m-%d %H:%M:%S} UTC"
    borrowed = sum(row.origin == "neighbours" for row in references)
    if not borrowed:
        return (
            f"They were selected from the user's {size} references of before {before}: close to the prompt "
            "and strongly liked first, then unlike one another."
        )
    return (
        f"The user's history before {before} has {size} references only, so {borrowed} were taken from what "
        "others liked, nearest to the prompt (marked *)."
    )


def _reference_line(row: PublishedReference) -> str:
    mark = " *" if row.origin == "neighbours" else ""
    return f"{row.share:6.1%}  {row.weight:6.2f}  {row.relevance:9.3f}  {row.name}{mark}"


def _file(picture: PublishedPicture) -> list[str]:
    if picture.image_path is None:
        return [f"There is no file: {picture.status}, {picture.reason}."]
    return [
        f"Seed {picture.seed}, the same for all users of this item; without personalization it gave "
        f"{picture.plain_image_path}.",
        f"File: {picture.image_path} ({picture.status} in run {picture.run_id}, model version "
        f"{picture.model_version}).",
    ]
