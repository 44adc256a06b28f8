"""Drawing the pictures of an evaluation: each once, into a file named by all that it is made of."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from evaluation.protocol.selection import (
    select_bm25,
    select_coreset,
    select_random,
    select_recent,
    select_similar,
)
from evaluation.protocol.variants import Variant
from fan_model.drawing.artist import ArtworkRequest, DrawingOptions, artwork_digest
from feature_store.lake.durable_files import write_durably
from flows.model.served_model import drawing_options
from flows.study.sample import History, Study, Target, random_numbers
from flows.workspace import Workspace

PICTURES_PER_SAVE = 16
"""Pictures drawn and saved together: what a crash can cost."""


@dataclass(frozen=True)
class Sketch:
    """One variant's plan: how it is drawn, and one request per target of the study."""

    options: DrawingOptions
    requests: tuple[ArtworkRequest, ...]
    digests: tuple[str, ...]
    """Of the pictures: equal digests are the same picture, drawn once for all variants."""


def plan(study: Study, variant: Variant) -> Sketch:
    """Select each target's references and write the requests."""
    options = replace(
        drawing_options(study.settings, num_references=None),
        alpha=variant.alpha,
        skip_layers=variant.skip_layers,
        target_query=variant.target_query,
    )
    requests = tuple(_request(study, variant, target) for target in study.targets)
    fingerprint = study.artist.pipeline_fingerprint
    return Sketch(options, requests, tuple(artwork_digest(one, options, fingerprint) for one in requests))


def draw(study: Study, variant: Variant) -> int:
    """Draw the variant's pictures that no file has yet; return how many that were.

    A picture that the model refused to show leaves an empty file.
    """
    sketch = plan(study, variant)
    wanted = dict(zip(sketch.digests, sketch.requests, strict=True))
    missing = [digest for digest in wanted if not picture_path(study, digest).exists()]
    with tqdm(total=len(missing), desc=variant.name, unit="picture", disable=not missing) as progress:
        for start in range(0, len(missing), PICTURES_PER_SAVE):
            batch = missing[start : start + PICTURES_PER_SAVE]
            artworks = study.artist.draw([wanted[digest] for digest in batch], sketch.options)
            for digest, artwork in zip(batch, artworks, strict=True):
                write_durably(picture_path(study, digest), artwork.image)
            progress.update(len(batch))
    return len(missing)


def read_pictures(study: Study, digests: Sequence[str]) -> Iterator[Image.Image | None]:
    """Read pictures from their files, None for one that was refused."""
    for digest in digests:
        content = picture_path(study, digest).read_bytes()
        yield Image.open(io.BytesIO(content)).convert("RGB") if content else None


def picture_path(study: Study, digest: str) -> Path:
    """Name the file of a picture; evaluations keep theirs apart from the gallery's."""
    folder = Workspace(study.settings.workspace).evaluation_pictures
    return folder / digest[:2] / f"{digest}.{study.settings.drawing.image_format}"


def _request(study: Study, variant: Variant, target: Target) -> ArtworkRequest:
    history = _history(study, variant, target)
    if variant.selection == "none":
        return ArtworkRequest(prompt=target.text, seed=target.seed)
    chosen = history.take(_select(study, variant, target, history))
    if variant.concatenates:
        prompt = ", ".join([target.text, *chosen.texts])
        return ArtworkRequest(prompt=prompt[: study.artist.limits.max_characters], seed=target.seed)
    return ArtworkRequest(
        prompt=target.text, references=chosen.texts, weights=tuple(chosen.weights.tolist()), seed=target.seed
    )


def _history(study: Study, variant: Variant, target: Target) -> History:
    """What references are selected from: the user's own history, or in the control the next user's."""
    owner = (target.owner + 1) % len(study.users) if variant.of_another else target.owner
    return study.users[owner].offered


def _select(study: Study, variant: Variant, target: Target, history: History) -> NDArray[np.int64]:
    """Select references in the variant's way, as many as the settings' share of the history."""
    policy = study.settings.profile
    count = policy.num_references(len(history))
    own = study.vectors_of([target.text])
    vectors = study.vectors_of(history.texts)
    generator = random_numbers(
        study.settings, variant.selection, study.users[target.owner].user_id, target.item_id
    )
    match variant.selection:
        case "all":
            return np.arange(len(history))
        case "random":
            return select_random(len(history), count, generator)
        case "recent":
            return select_recent(history.event_times, count)
        case "similarity":
            return select_similar(vectors.mean_unit_tokens @ own.mean_unit_tokens[0], count)
        case "bm25":
            return select_bm25(target.text, history.texts, count)
        case "coreset":
            return select_coreset(vectors.unit_mean_tokens, count, generator)
        case _:
            return policy.select(own, vectors, history.weights).indices
