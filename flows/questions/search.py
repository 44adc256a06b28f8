"""Personalized retrieval: a query takes on a user's taste and is searched among the catalogue's items."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from fan_model.bundled import JUDGE_FOLDER
from fan_model.encoders.text_encoders import Profile
from fan_model.method.crowd_contrast import NOBODY
from fan_model.method.personalization import Personalization
from fan_model.method.profiling import FloatArray
from fan_model.retrieval.clip import Clip
from fan_model.retrieval.clip_features import FeatureEncoder, blend_features
from feature_store.history.tastes import LikedText, find_willing_user, read_taste
from feature_store.lake.durable_files import checksum
from feature_store.lake.lake import Lake
from feature_store.tables.items import ScoredItem, items_of_texts, scan_target_texts
from feature_store.vectors.feature_index import FeatureIndex
from flows.model.champion import load_champion
from flows.questions.asked_taste import select_taste
from flows.settings import BUNDLED_PIPELINE, Settings
from flows.stages.crowd import as_crowd, current_crowd
from flows.workspace import open_lake, open_workspace

TEXTS_PER_BATCH = 256
MAX_LIKED = 200
"""Of a user's texts that are mixed into a query; each is encoded for every search."""


class SearchError(RuntimeError):
    """There is nothing to search with, or nothing to search in."""


def search(
    settings: Settings, user_id: str, query: str, *, num_hits: int, alpha: float | None = None
) -> list[ScoredItem]:
    """Find items for a query in a user's taste (paper, personalized retrieval).

    Args:
        settings: where the lake is, and how the text is personalized.
        user_id: whose taste.
        query: what is looked for.
        num_hits: items to return, the most similar first.
        alpha: degree of personalization; that of the settings' search if not given, 0 for the plain query.

    Raises:
        SearchError: if the catalogue has no texts yet, there is no CLIP where the settings say, or no crowd
            to contrast with.
        UnknownUserError: if the user has no history.
    """
    lake = open_lake(settings, read_only=True)
    encoder = load_features(settings)
    how = personalization(settings, alpha)
    if settings.search.method == "mean":
        feature = _mix(encoder, query, read_taste(lake, user_id), how.alpha)
    else:
        feature = encoder.personalize_text_feature([_profile(settings, lake, user_id, query)], how)
    return find_items(settings, lake, encoder, feature, num_hits)


def load_features(settings: Settings) -> FeatureEncoder:
    """Load the CLIP or SigLIP that the settings search with.

    Raises:
        SearchError: if there is none where they say.
    """
    clip, tokenizer = _clip_folders(settings)
    return FeatureEncoder(Clip.from_pretrained(clip, tokenizer=tokenizer))


def personalization(settings: Settings, alpha: float | None) -> Personalization:
    """Personalize as the settings search, in the layers that they draw with, or to another degree.

    All tokens are: what a text means as a whole is read from its words, too.
    """
    degree = settings.search.alpha if alpha is None else alpha
    how = replace(settings.drawing, keep_words=False)
    if settings.search.method == "contrast":
        return replace(how, alpha=0.0, contrast=degree)
    return replace(how, alpha=degree)


def find_items(
    settings: Settings, lake: Lake, encoder: FeatureEncoder, feature: FloatArray, num_hits: int
) -> list[ScoredItem]:
    """Search the catalogue's texts for a feature `[1, p]`, the most similar first.

    Raises:
        SearchError: if the catalogue has no texts yet.
    """
    clip, _ = _clip_folders(settings)
    index = _index_items(settings, lake, encoder, checksum(clip / "model.safetensors"))
    scores, ids = index.search(feature, num_hits)
    return items_of_texts(lake, ids[0].tolist(), scores[0].tolist())


def _clip_folders(settings: Settings) -> tuple[Path, str | None]:
    """Return the folders of CLIP's weights and of its tokenizer, None if that is not named."""
    if settings.search.clip == BUNDLED_PIPELINE:
        return JUDGE_FOLDER, None
    clip = Path(settings.search.clip)
    if not (clip / "model.safetensors").exists():
        raise SearchError(
            f"no CLIP (model.safetensors) in {clip}: name the folder of a saved CLIP or SigLIP in [search]"
        )
    return clip, settings.search.tokenizer


def _mix(encoder: FeatureEncoder, query: str, taste: Sequence[LikedText], share: float) -> FloatArray:
    """The query's feature `[1, p]`, mixed with the mean of what the user likes most."""
    liked = sorted(taste, key=lambda one: -one.weight)[:MAX_LIKED]
    features = encoder.encode_texts([query, *(one.text for one in liked)])
    return blend_features(features[:1], features[1:], [one.weight for one in liked], share)


def _profile(settings: Settings, lake: Lake, user_id: str, query: str) -> Profile:
    """Select the references of the user's taste for the query, as for a target (tailored profiling).

    Raises:
        SearchError: if there is to be contrasted, and no night has chosen a crowd.
    """
    find_willing_user(lake, user_id)
    artist = load_champion(settings).artist
    rows = current_crowd(settings, lake, artist.encoder_fingerprint, datetime.now(UTC))
    contrasts = settings.search.method == "contrast"
    if contrasts and not rows:
        raise SearchError(
            "no night has chosen a crowd to contrast with: run `fan nightly` with drawing.contrast or "
            'profile.distinctive, or search with search.method = "mean"'
        )
    chosen = select_taste(settings, lake, artist, user_id, query, rows)
    return Profile(query, (*chosen,), (*chosen.values(),), as_crowd(rows) if contrasts else NOBODY)


def _index_items(settings: Settings, lake: Lake, encoder: FeatureEncoder, fingerprint: str) -> FeatureIndex:
    """Bring the index of item features up to date: only texts that are new are encoded."""
    items = scan_target_texts(lake)
    if not items.num_rows:
        raise SearchError("the catalogue has no texts yet: run `fan ingest` and `fan embed`")
    width = encoder.encode_texts([""]).shape[1]
    index = FeatureIndex(open_workspace(settings).features, encoder_fingerprint=fingerprint, width=width)
    missing = pa.array(index.missing(items["target_id"].to_numpy()))
    new = items.filter(pc.is_in(items["target_id"], missing))
    for start in tqdm(
        range(0, new.num_rows, TEXTS_PER_BATCH), desc="index", unit="batch", disable=not new.num_rows or None
    ):
        batch = new.slice(start, TEXTS_PER_BATCH)
        index.add(batch["target_id"].to_numpy(), encoder.encode_texts(batch["target_text"].to_pylist()))
    if new.num_rows:
        index.save()
    return index
