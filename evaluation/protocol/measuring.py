"""Measuring the pictures of an evaluation: the rows of `evaluation_results`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

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
from evaluation.protocol.study import Study
from evaluation.protocol.variants import CONSTANT, PLAIN, Variant

Vectors = NDArray[np.floating]
Plan = VariantPlan | PeerPlan
Row = dict[str, Any]
"""A part of an `EvaluationResult`, by name."""

PICTURES_AT_ONCE = 64
"""Pictures that the judge looks at together."""
MODEL_ITSELF = "the model's own text encoder"
"""The judge of measures of texts alone."""
THE_CLOCK = "this machine"
"""The judge of costs."""


@dataclass(frozen=True, kw_only=True)
class EvaluationResult:
    """A row of `evaluation_results`: the value of one measure of one variant for one user."""

    run_id: str
    data_set: str
    user_key: int | None
    """Whose pictures; None: of all users together."""
    variant: str
    variant_group: str
    alpha: float
    selection: str
    measure: str
    value: float | None
    """Mean of the user's pictures; None: undefined."""
    scale: str
    judge: str
    judge_fingerprint: str
    judge_is_independent: bool
    num_pictures: int
    model_version: str
    recipe_digest: str
    snapshot_id: int
    measured_at: datetime


class NothingToMeasureError(RuntimeError):
    """No target has a picture in every variant."""


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


def measure(
    study: Study, variants: Sequence[Variant], pictures: Pictures, judge: ClipJudge
) -> list[EvaluationResult]:
    """Measure all variants, and with them the control of one picture for all.

    A target whose picture the model refused in any variant is left out of all, so that they stay comparable.

    Returns:
        Rows of `evaluation_results`.

    Raises:
        NothingToMeasureError: if that leaves no target.
    """
    plans = {variant.name: plan_variant(study, variant) for variant in variants}
    images = _encode_pictures(pictures, judge, plans.values())
    study, plans = _comparable(study, plans, images)
    basis = MeasuringBasis(
        study=study,
        truth=_ground_truth(study, judge),
        images=images,
        plain_images=np.stack([images[digest] for digest in plans[PLAIN].digests]),
    )
    origin = asdict(study.origin) | {"measured_at": datetime.now(UTC)}
    rows = [row for variant in variants for row in _variant_rows(basis, variant, plans[variant.name])]
    rows += _constant_rows(basis, next(variant for variant in variants if variant.name == PLAIN))
    if study.peers:
        rows += _cost_rows(study, variants)
    judges = _judges(study, judge)
    return [EvaluationResult(**row, **origin, **judges[_judge_of(row["measure"])]) for row in rows]


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
    """Leave out the targets that some variant has no picture of."""
    places = [
        place
        for place in range(len(study.targets))
        if all(plan.digests[place] in images for plan in plans.values())
    ]
    if not places:
        raise NothingToMeasureError(
            f"the model refused a picture of each of the {len(study.targets)} targets in some variant: "
            "look at safety.blocklist, or choose variants with evaluation.variants"
        )
    kept = replace(study, targets=tuple(study.targets[place] for place in places))
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


def _variant_rows(basis: MeasuringBasis, variant: Variant, plan: Plan) -> Iterator[Row]:
    images = np.stack([basis.images[digest] for digest in plan.digests])
    values = measure_pictures(
        basis.truth,
        images=images,
        plain_images=basis.plain_images,
        text_features=_text_features(plan),
    )
    yield from _rows(basis, variant, values, images)


def _constant_rows(basis: MeasuringBasis, plain: Variant) -> Iterator[Row]:
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
) -> Iterator[Row]:
    """One row per user and measure, and one per measure of all users together."""
    owners, users = basis.truth.owners, basis.study.users
    num_pictures = np.bincount(owners, minlength=len(users))
    for name, of_pictures in values.items():
        of_users = mean_by_user(of_pictures, owners, len(users))
        for user, value, number in zip(users, of_users, num_pictures, strict=True):
            yield _row(variant, name, MEASURES[name], value, number) | {"user_key": user.user_key}
    p_values = measure_p_values(
        basis.truth, images=images, plain_images=basis.plain_images, seed=basis.study.design.seed
    )
    for name, p_value in p_values.items():
        yield _row(variant, name, P_VALUES[name], p_value, len(images)) | {"user_key": None}


def _cost_rows(study: Study, variants: Sequence[Variant]) -> Iterator[Row]:
    """One row per variant and kind of cost."""
    num_timed = min(TIMED_TARGETS, len(study.targets))
    for variant, costs in measure_costs(study, variants):
        for name, value in costs.items():
            yield _row(variant, name, COSTS[name], value, num_timed) | {"user_key": None}


def _row(variant: Variant, name: str, measured: Measure, value: float, num_pictures: int) -> Row:
    return {
        "variant": variant.name,
        "variant_group": variant.group,
        "alpha": variant.alpha,
        "selection": variant.selection,
        "measure": name,
        "value": None if np.isnan(value) else float(value),
        "scale": measured.scale,
        "num_pictures": int(num_pictures),
    }


def _judge_of(measure: str) -> str:
    """Who measured: the judge, the model or the machine's clock."""
    if measure in COSTS:
        return THE_CLOCK
    return "judge" if {**MEASURES, **P_VALUES}[measure].by_judge else MODEL_ITSELF


def _judges(study: Study, judge: ClipJudge) -> dict[str, Row]:
    """What rows say of who measured."""
    return {
        "judge": {
            "judge": study.design.judge,
            "judge_fingerprint": judge.fingerprint,
            "judge_is_independent": not judge.shares_text_encoder(study.artist.token_embeddings),
        },
        MODEL_ITSELF: {
            "judge": MODEL_ITSELF,
            "judge_fingerprint": study.artist.encoder_fingerprint[:16],
            "judge_is_independent": False,
        },
        THE_CLOCK: {"judge": THE_CLOCK, "judge_fingerprint": "", "judge_is_independent": True},
    }
