"""A user's taste for a text that somebody asks about: what a night would select for it."""

from collections.abc import Sequence

import numpy as np

from fan_model.drawing.artist import Artist
from fan_model.method.profiling import ReferenceVectors
from feature_store.history.neighbours import lend
from feature_store.history.tastes import LikedText, find_willing_user, no_history, read_liked
from feature_store.lake.lake import Lake
from feature_store.tables.crowds import CrowdRow
from feature_store.vectors.reference_store import ReferenceStore
from flows.settings import Settings
from flows.stages.crowd import crowd_mean
from flows.workspace import share_references


def select_taste(
    settings: Settings, lake: Lake, artist: Artist, user_id: str, text: str, crowd: Sequence[CrowdRow]
) -> dict[str, float]:
    """Select the references of a user for a text, with their weights, by the policy of the nights.

    What an item with this prompt was liked for is none of them, and who has little history is lent some.

    Args:
        settings: how references are selected.
        lake: where the history is.
        artist: whose text encoder compares them.
        user_id: whose taste.
        text: what is to be drawn, or looked for.
        crowd: what references are distinct from, where the policy prefers those.

    Raises:
        UnknownUserError: if no source ever named the user, or there is nothing to select from.
        OptedOutError: if the user opted out.
    """
    store = share_references(settings, encoder_fingerprint=artist.encoder_fingerprint, width=artist.width)
    target = artist.encode_texts([text])
    user_key = find_willing_user(lake, user_id)
    own = read_liked(lake, user_key, without=text)
    lent = _lent(settings, lake, store, target, own, user_key, text)
    taste = own + lent
    if not taste:
        raise no_history(user_id)
    selection = settings.profile.select(
        target,
        _vectors(store, artist, taste),
        [one.weight for one in taste],
        num_borrowed=len(lent),
        crowd=crowd_mean(store, crowd),
    )
    return {taste[place].text: taste[place].weight for place in selection.indices}


def _lent(
    settings: Settings,
    lake: Lake,
    store: ReferenceStore,
    target: ReferenceVectors,
    own: Sequence[LikedText],
    user_key: int,
    text: str,
) -> list[LikedText]:
    """What is lent to who likes little, each at the weight of the own on average."""
    num_lacking = settings.profile.little_history - len(own) if settings.profile.cold_start else 0
    if num_lacking <= 0:
        return []
    weight = float(np.mean([one.weight for one in own])) if own else 1.0
    lent = lend(lake, store, target.mean_unit_tokens.astype(np.float32), user_key, text, size=num_lacking)
    return [LikedText(**row, weight=weight) for row in lent.to_pylist()]


def _vectors(store: ReferenceStore, artist: Artist, taste: Sequence[LikedText]) -> ReferenceVectors:
    """Those that the nights have made, and new ones of texts that came after the last."""
    ids = np.array([one.reference_id for one in taste])
    is_new = np.isin(ids, store.missing(ids))
    stored = store.gather(ids[~is_new])
    made = ReferenceVectors(stored.mean_unit_tokens, stored.unit_mean_tokens)
    if not is_new.any():
        return made
    new = artist.encode_texts([one.text for one, new in zip(taste, is_new, strict=True) if new])
    places = np.argsort(np.argsort(is_new, kind="stable"))
    return ReferenceVectors.join([made, new])[places]
