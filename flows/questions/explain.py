"""Why a picture looks as it does, in words."""

from collections.abc import Sequence

from feature_store.history.population import scan_population
from feature_store.history.taste_words import compare_tastes, list_words, taste_table
from feature_store.history.tastes import find_willing_user, read_history
from feature_store.lake.lake import Lake
from feature_store.tables.published import (
    PublishedPicture,
    PublishedReference,
    read_items_of,
    read_picture,
)
from feature_store.tables.runs import read_run
from flows.settings import Settings

WORDS_TOLD = 6
SUBJECTS = (
    "Compared with everybody, this user likes",
    "Compared with everybody, the references of this picture stand for",
)


class NoPictureError(LookupError):
    """There is no published picture of that item for that user."""


def explain(settings: Settings, lake: Lake, user_id: str, item_id: str) -> str:
    """Say what the picture of an item for a user was made of, and how this user's taste differs from others'.

    Raises:
        NoPictureError: if there is none, naming the items that the user has pictures of.
        UnknownUserError: if no source ever named the user.
        OptedOutError: if the user opted out; what was drawn before stays until the next night.
    """
    find_willing_user(lake, user_id)
    picture = read_picture(lake, user_id, item_id)
    if picture is None:
        items = ", ".join(read_items_of(lake, user_id)) or "none"
        raise NoPictureError(
            f"no published picture of item {item_id} for user {user_id}, whose pictures are of items: {items}"
        )
    words = _in_words(settings, lake, picture)
    paragraphs = (_about(picture, user_id), _because(settings, picture), words, _file(picture))
    return "\n\n".join("\n".join(lines) for lines in paragraphs if lines)


def describe_strength(picture: PublishedPicture) -> str:
    """Say what the references do in the text encoder, and their pictures in the image encoder."""
    told = [_strength_of_texts(picture)] if picture.num_references else []
    if picture.num_images:
        told.append(f"Their own pictures act through the image encoder: {picture.num_images} of them.")
    return " ".join(told) or "None of its references has a picture that acts, and texts do not."


def _strength_of_texts(picture: PublishedPicture) -> str:
    num_references = len(picture.references)
    if picture.contrast is not None:
        return (
            f"Each personalized attention layer goes {picture.contrast:g} times what its {num_references} "
            "references have beyond the crowd (`fan crowd`)."
        )
    return (
        f"{picture.alpha:.0%} of each personalized attention layer looks at {num_references} references, "
        f"{1 - picture.alpha:.0%} at the prompt itself."
    )


def _about(picture: PublishedPicture, user_id: str) -> list[str]:
    return [f"{picture.name}, drawn for user {user_id} (number {picture.rank} of this user's list)"]


def _because(settings: Settings, picture: PublishedPicture) -> list[str]:
    references = picture.references
    if not references and picture.image_path is None:
        return []
    if not references:
        return ["The user had no history that could be used, so the picture is the plain one."]
    lines = [
        _prompt(picture),
        describe_strength(picture),
        _where_from(settings, references),
        "",
        " share  weight  relevance  reference",
    ]
    return lines + [_reference_line(row) for row in references]


def _prompt(picture: PublishedPicture) -> str:
    """Say what the prompt is, and whether its fields had to be shortened."""
    cut = f", shortened by {picture.tokens_cut} tokens that would not be read" if picture.tokens_cut else ""
    return f"The prompt is «{picture.target_text}»{cut}."


def _in_words(settings: Settings, lake: Lake, picture: PublishedPicture) -> list[str]:
    """Compare the user's whole taste, and the picture's references, with what everybody likes."""
    if not picture.references:
        return []
    as_of, known_before = picture.references[0].as_of, read_run(lake, picture.run_id).window_end
    history = read_history(lake, picture.user_key, as_of=as_of, known_before=known_before)
    population = scan_population(lake, as_of=known_before, least_users=1, most=None)
    own = [(0, row["reference_id"], row["weight"]) for row in history.to_pylist()]
    chosen = [(1, row.reference_id, row.weight) for row in picture.references]
    words = compare_tastes(
        lake,
        taste_table(own + chosen),
        population,
        least_users=settings.crowd.least_users,
        fields=settings.gallery.words,
        most=WORDS_TOLD,
    )
    return [
        f"{subject} {list_words(words[number])}."
        for number, subject in enumerate(SUBJECTS)
        if number in words
    ]


def _where_from(settings: Settings, references: Sequence[PublishedReference]) -> str:
    first = references[0]
    size, before = first.history_size, f"{first.as_of:%Y-%m-%d %H:%M:%S} UTC"
    first_of_all = "close to the prompt and strongly liked"
    if settings.profile.distinctive:
        first_of_all += " (by the settings of today also unlike what everybody likes)"
    borrowed = sum(row.origin == "neighbours" for row in references)
    if not borrowed:
        return (
            f"They were selected from the user's {size} references of before {before}: {first_of_all} first, "
            "then unlike one another."
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
    change = "" if picture.visible_change is None else f" (visible change {picture.visible_change:.1f})"
    return [
        f"Seed {picture.seed}, the same for all users of this item; without personalization it gave "
        f"{picture.plain_image_path}{change}.",
        f"File: {picture.image_path} ({picture.status} in run {picture.run_id}, model version "
        f"{picture.model_version}).",
    ]
