"""Measuring the pictures of an evaluation: the rows of `evaluation_results`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from evaluation.measures.judge import ClipJudge
from evaluation.measures.picture_measures import (
    MEASURES,
    P_VALUES,
    GroundTruth,
    Measure,
    mean_by_user,
    measure_p_values,
    measure_pictures,
)
from evaluation.protocol.costing import COSTS, TIMED_TARGETS, measure_costs
from evaluation.protocol.peer_plan import PeerPlan
from evaluation.protocol.picture_store import Pictures
from evaluation.protocol.plan import PICTURES_PER_SAVE, VariantPlan, plan_variant, read_pictures
from evaluation.protocol.results import EvaluationResult
from evaluation.protocol.study import Study
from evaluation.protocol.variants import CONSTANT, PLAIN, Variant

Vectors = NDArray[np.floating]
Plan = VariantPlan | PeerPlan

ALL_MEASURES: Mapping[str, Measure] = {**MEASURES, **P_VALUES, **COSTS}

PICTURES_AT_ONCE = 64
"""Pictures that the judge looks at together."""
MODEL_ITSELF = "the model's own text encoder"
"""The judge of measures of texts alone."""
THE_CLOCK = "this machine"
"""The judge of costs."""


class NothingToMeasureError(RuntimeError):
    """Fewer than two users have a picture in every variant."""


@dataclass(frozen=True)
class Measurer:
    """Who measured."""

    name: str
    fingerprint: str
    is_independent: bool
    """Of the model that drew."""


@dataclass(frozen=True, kw_only=True)
class MeasuringBasis:
    """What all variants are measured on."""

    study: Study
    """With the targets that every variant has a picture of."""
    truth: GroundTruth
    images: Mapping[str, Vectors]
    """The judge's vector of each picture, by digest."""
    plain_images: Vectors
    """`[P, d]` of the plain pictures."""
    judge: Measurer
    """Of pictures."""
    measured_at: datetime

    def result(
        self, variant: Variant, measure: str, value: float, num_pictures: int, user_key: int | None
    ) -> EvaluationResult:
        """The row of a value, which is NaN where it is undefined."""
        measurer = self._measurer(measure)
        return EvaluationResult(
            **asdict(self.study.origin),
            user_key=user_key,
            variant=variant.name,
            variant_group=variant.group,
            alpha=variant.alpha,
            selection=variant.selection,
            measure=measure,
            value=None if np.isnan(value) else float(value),
            scale=ALL_MEASURES[measure].scale,
            judge=measurer.name,
            judge_fingerprint=measurer.fingerprint,
            judge_is_independent=measurer.is_independent,
            num_pictures=int(num_pictures),
            measured_at=self.measured_at,
        )

    def _measurer(self, measure: str) -> Measurer:
        if measure in COSTS:
            return Measurer(THE_CLOCK, "", is_independent=True)
        if ALL_MEASURES[measure].by_judge:
            return self.judge
        return Measurer(MODEL_ITSELF, self.study.artist.encoder_fingerprint[:16], is_independent=False)


def measure(
    study: Study, variants: Sequence[Variant], pictures: Pictures, judge: ClipJudge
) -> list[EvaluationResult]:
    """Measure all variants, and with them the control of one picture for all.

    A target whose picture the model refused in any variant is left out of all, so that they stay comparable.

    Returns:
        Rows of `evaluation_results`.

    Raises:
        NothingToMeasureError: if that leaves no target, or those of one user.
    """
    plans = {variant.name: plan_variant(study, variant) for variant in variants}
    images = _encode_pictures(pictures, judge, plans.values())
    study, plans = _comparable(study, plans, images)
    basis = MeasuringBasis(
        study=study,
        truth=_ground_truth(study, judge),
        images=images,
        plain_images=np.stack([images[digest] for digest in plans[PLAIN].digests]),
        judge=Measurer(
            study.design.judge,
            judge.fingerprint,
            is_independent=not judge.shares_text_encoder(study.artist.token_embeddings),
        ),
        measured_at=datetime.now(UTC),
    )
    rows = [row for variant in variants for row in _variant_rows(basis, variant, plans[variant.name])]
    rows += _constant_rows(basis, next(variant for variant in variants if variant.name == PLAIN))
    if study.peers:
        rows += _cost_rows(basis, variants)
    return rows


def _encode_pictures(pictures: Pictures, judge: ClipJudge, plans: Iterable[Plan]) -> dict[str, Vectors]:
    """The judge's vector of each distinct picture, without the refused ones."""
    digests = list(dict.fromkeys(digest for plan in plans for digest in plan.digests))
    vectors: dict[str, Vectors] = {}
    for start in range(0, len(digests), PICTURES_AT_ONCE):
        batch = digests[start : start + PICTURES_AT_ONCE]
        read = dict(zip(batch, read_pictures(pictures, batch), strict=True))
        shown = {digest: picture for digest, picture in read.items() if picture is not None}
        vectors |= zip(shown, judge.encode_images(list(shown.values())), strict=True)
    return vectors


def _comparable(
    study: Study, plans: Mapping[str, Plan], images: Mapping[str, Vectors]
) -> tuple[Study, dict[str, Plan]]:
    """Leave out the targets that some variant has no picture of, and users without any other.

    A text that is blocked by now was not when an earlier run drew its picture.
    """
    places = [
        place
        for place in range(len(study.targets))
        if all(plan.digests[place] in images and not plan.is_blocked(place) for plan in plans.values())
    ]
    if not places:
        raise NothingToMeasureError(
            f"the model refused a picture of each of the {len(study.targets)} targets in some variant: "
            "look at safety.blocklist, or choose variants with evaluation.variants"
        )
    owners = sorted({study.targets[place].owner for place in places})
    if len(owners) < 2:
        raise NothingToMeasureError(
            f"{len(owners)} of {len(study.users)} users has a picture in every variant, and two are needed: "
            "look at safety.blocklist, or raise evaluation.max_users"
        )
    kept = replace(
        study,
        users=tuple(study.users[owner] for owner in owners),
        targets=tuple(
            replace(study.targets[place], owner=owners.index(study.targets[place].owner)) for place in places
        ),
    )
    return kept, {name: plan.take(places) for name, plan in plans.items()}


def _ground_truth(study: Study, judge: ClipJudge) -> GroundTruth:
    texts = [target.text for target in study.targets]
    held_out = [user.held_out for user in study.users]
    references = [text for history in held_out for text in history.texts]
    return GroundTruth(
        owners=np.array([target.owner for target in study.targets]),
        targets=judge.encode_texts(texts),
        target_features=study.vectors_of(texts).unit_mean_tokens,
        references=judge.encode_texts(references),
        reference_features=study.vectors_of(references).unit_mean_tokens,
        weights=np.concatenate([history.weights for history in held_out]),
        users=np.repeat(np.arange(len(held_out)), [len(history) for history in held_out]),
    )


def _variant_rows(basis: MeasuringBasis, variant: Variant, plan: Plan) -> Iterator[EvaluationResult]:
    images = np.stack([basis.images[digest] for digest in plan.digests])
    values = measure_pictures(
        basis.truth,
        images=images,
        plain_images=basis.plain_images,
        text_features=_text_features(plan),
    )
    yield from _rows(basis, variant, values, images)


def _constant_rows(basis: MeasuringBasis, plain: Variant) -> Iterator[EvaluationResult]:
    """Measure one picture given to all: the plain one that suits all histories best."""
    best = basis.truth.score_histories(basis.plain_images).mean(axis=1).argmax()
    images = np.repeat(basis.plain_images[[best]], len(basis.plain_images), axis=0)
    values = measure_pictures(
        basis.truth,
        images=images,
        plain_images=basis.plain_images,
        text_features=basis.truth.target_features,
    )
    of_pictures = {name: value for name, value in values.items() if MEASURES[name].by_judge}
    yield from _rows(basis, replace(plain, name=CONSTANT, group="control"), of_pictures, images)


def _text_features(plan: Plan) -> Vectors:
    """`[P, w]` the unit mean of the tokens of each personalized condition."""
    places = range(len(plan.requests))
    batches = [places[start : start + PICTURES_PER_SAVE] for start in places[::PICTURES_PER_SAVE]]
    return np.concatenate([plan.features(batch) for batch in batches])


def _rows(
    basis: MeasuringBasis, variant: Variant, values: Mapping[str, Vectors], images: Vectors
) -> Iterator[EvaluationResult]:
    """One row per user and measure, and one per measure of all users together."""
    owners, users = basis.truth.owners, basis.study.users
    num_pictures = np.bincount(owners, minlength=len(users))
    for name, of_pictures in values.items():
        of_users = mean_by_user(of_pictures, owners, len(users))
        for user, value, number in zip(users, of_users, num_pictures, strict=True):
            yield basis.result(variant, name, value, number, user.user_key)
    p_values = measure_p_values(
        basis.truth, images=images, plain_images=basis.plain_images, seed=basis.study.design.seed
    )
    for name, p_value in p_values.items():
        yield basis.result(variant, name, p_value, len(images), None)


def _cost_rows(basis: MeasuringBasis, variants: Sequence[Variant]) -> Iterator[EvaluationResult]:
    """One row per variant and kind of cost."""
    num_timed = min(TIMED_TARGETS, len(basis.study.targets))
    for variant, costs in measure_costs(basis.study, variants):
        for name, value in costs.items():
            yield basis.result(variant, name, value, num_timed, None)
