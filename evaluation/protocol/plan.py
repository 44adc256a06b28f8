"""What each variant draws: its options and one request per target, each picture once for all variants."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from evaluation.protocol.peer_plan import PeerPlan, plan_peer
from evaluation.protocol.picture_store import Pictures
from evaluation.protocol.selection import (
    select_bm25,
    select_coreset,
    select_random,
    select_recent,
    select_similar,
)
from evaluation.protocol.study import Study, StudyTarget, UserHistory, random_numbers
from evaluation.protocol.variants import Variant
from fan_model.drawing.artist import Artist, ArtworkRequest, DrawingOptions

PICTURES_PER_SAVE = 16
"""Pictures drawn and saved together: what a crash can cost."""


@dataclass(frozen=True)
class VariantPlan:
    """How a variant draws, and one request per target of the study."""

    artist: Artist
    options: DrawingOptions
    requests: tuple[ArtworkRequest, ...]
    digests: tuple[str, ...]
    """Of the pictures: equal digests are the same picture, drawn once for all variants."""

    def take(self, places: Sequence[int]) -> "VariantPlan":
        """The plan for some of the targets."""
        return replace(
            self,
            requests=tuple(self.requests[place] for place in places),
            digests=tuple(self.digests[place] for place in places),
        )

    def is_blocked(self, place: int) -> bool:
        """Whether the text filter of today refuses what a target's picture is made of."""
        return self.artist.is_blocked(self.requests[place])

    def draw(self, places: Sequence[int], pictures: Pictures) -> None:
        """Draw and keep the pictures of some of the targets."""
        pictures.draw({self.digests[place]: self.requests[place] for place in places}, self.options)

    def features(self, places: Sequence[int]) -> NDArray[np.floating]:
        """`[places, w]` the unit mean of the tokens of personalized conditions."""
        condition = self.artist.condition([self.requests[place] for place in places], self.options)
        return condition.vectors().unit_mean_tokens


def plan_variant(study: Study, variant: Variant) -> VariantPlan | PeerPlan:
    """Decide what each target's picture is made of."""
    return plan_peer(study, study.peers[variant.peer]) if variant.peer else plan_own(study, variant)


def plan_own(study: Study, variant: Variant) -> VariantPlan:
    """Select each target's references and write the requests."""
    options = replace(
        study.design.options,
        alpha=variant.alpha,
        contrast=variant.contrast,
        crowd=study.crowd.texts,
        crowd_weights=study.crowd.weights,
        skip_layers=variant.skip_layers,
        keep_words=variant.keep_words,
        target_query=variant.target_query,
    )
    requests = tuple(_request(study, variant, target) for target in study.targets)
    digests = tuple(study.artist.digest(one, options) for one in requests)
    return VariantPlan(study.artist, options, requests, digests)


def draw_variant(study: Study, variant: Variant, pictures: Pictures) -> int:
    """Draw the variant's pictures that are not there yet; return how many were asked for."""
    plan = plan_variant(study, variant)
    wanted = {digest: place for place, digest in enumerate(plan.digests)}
    missing = [
        place for digest, place in wanted.items() if not (pictures.is_known(digest) or plan.is_blocked(place))
    ]
    with tqdm(total=len(missing), desc=variant.name, unit="picture", disable=not missing or None) as progress:
        for start in range(0, len(missing), PICTURES_PER_SAVE):
            batch = missing[start : start + PICTURES_PER_SAVE]
            plan.draw(batch, pictures)
            progress.update(len(batch))
    return len(missing)


def read_pictures(pictures: Pictures, digests: Sequence[str]) -> Iterator[Image.Image | None]:
    """Read pictures, None for one that was refused."""
    for digest in digests:
        content = pictures.read(digest)
        yield Image.open(io.BytesIO(content)).convert("RGB") if content else None


def _request(study: Study, variant: Variant, target: StudyTarget) -> ArtworkRequest:
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


def _history(study: Study, variant: Variant, target: StudyTarget) -> UserHistory:
    """What references are selected from: the user's own history, or in the control the next user's."""
    owner = (target.owner + 1) % len(study.users) if variant.of_another else target.owner
    return study.users[owner].offered


def _select(study: Study, variant: Variant, target: StudyTarget, history: UserHistory) -> NDArray[np.int64]:
    """Select references in the variant's way, as many as its policy keeps."""
    count = variant.policy.num_references(len(history))
    own = study.vectors_of([target.text])
    vectors = study.vectors_of(history.texts)
    lot = study.users[target.owner].lot
    generator = random_numbers(study.design.seed, variant.selection, str(lot), target.item_id)
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
            return variant.policy.select(own, vectors, history.weights, crowd=study.crowd_mean).indices
