"""Measuring the pictures of an evaluation, and the rows that say what was found."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from evaluation.measures.judge import ClipJudge
from evaluation.measures.picture_measures import (
    MEASURES,
    P_VALUES,
    Audience,
    Measure,
    mean_by_user,
    measure_p_values,
    measure_pictures,
)
from evaluation.protocol.variants import CONSTANT, PLAIN, Variant
from fan_model.bundled import JUDGE_FOLDER
from fan_model.method.profiling import ReferenceVectors
from flows.settings import BUNDLED_PIPELINE, Settings
from flows.stages.recipes import evaluation_recipe
from flows.study.choice import data_name
from flows.study.drawing import PICTURES_PER_SAVE, Sketch, plan, read_pictures
from flows.study.sample import Study, Target

Vectors = NDArray[np.floating]


MODEL_ITSELF = "the model's own text encoder"
"""The judge of measures of texts alone."""


MEASURED = {**MEASURES, **P_VALUES}


class NothingToMeasureError(RuntimeError):
    """No target has a picture in every variant."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What all variants are measured on."""

    study: Study
    """With the targets that every variant has a picture of."""
    judge: ClipJudge
    audience: Audience
    images: Mapping[str, Vectors]
    """The judge's vector of each picture, by digest."""
    plain_images: Vectors
    """`[P, d]` of the plain pictures."""


def measure(study: Study, variants: Sequence[Variant], run_id: str) -> list[dict[str, object]]:
    """Measure all variants, and with them the control of one picture for all.

    A target whose picture the model refused in any variant is left out of all, so that they stay comparable.

    Returns:
        Rows of `evaluation_results`.

    Raises:
        NothingToMeasureError: if that leaves no target.
    """
    judge = load_judge(study.settings)
    sketches = {variant.name: plan(study, variant) for variant in variants}
    images = _encode_pictures(study, judge, sketches.values())
    study, sketches = _comparable(study, sketches, images)
    bench = Bench(
        study=study,
        judge=judge,
        audience=_audience(study, judge),
        images=images,
        plain_images=np.stack([images[digest] for digest in sketches[PLAIN].digests]),
    )
    origin = _origin(study, run_id)
    rows = [row for variant in variants for row in _variant_rows(bench, variant, sketches[variant.name])]
    rows += _constant_rows(bench, next(variant for variant in variants if variant.name == PLAIN))
    judges = _judges(study, judge)
    return [row | origin | judges[MEASURED[str(row["measure"])].by_judge] for row in rows]


def load_judge(settings: Settings) -> ClipJudge:
    """Load the CLIP that the settings name."""
    name = settings.evaluation.judge
    source = JUDGE_FOLDER if name == BUNDLED_PIPELINE else name
    return ClipJudge.from_pretrained(source, device=settings.model.device)


def _encode_pictures(study: Study, judge: ClipJudge, sketches: Iterable[Sketch]) -> dict[str, Vectors]:
    """The judge's vector of each distinct picture, without the refused ones."""
    digests = list(dict.fromkeys(digest for sketch in sketches for digest in sketch.digests))
    vectors: dict[str, Vectors] = {}
    for start in range(0, len(digests), 64):
        batch = digests[start : start + 64]
        pictures = dict(zip(batch, read_pictures(study, batch), strict=True))
        shown = {digest: picture for digest, picture in pictures.items() if picture is not None}
        vectors |= zip(shown, judge.encode_images(list(shown.values())), strict=True)
    return vectors


def _comparable(
    study: Study, sketches: Mapping[str, Sketch], images: Mapping[str, Vectors]
) -> tuple[Study, dict[str, Sketch]]:
    """Leave out the targets that some variant has no picture of."""
    places = [
        place
        for place in range(len(study.targets))
        if all(sketch.digests[place] in images for sketch in sketches.values())
    ]
    if not places:
        raise NothingToMeasureError(
            f"the model refused a picture of each of the {len(study.targets)} targets in some variant: "
            "look at safety.blocklist, or choose variants with evaluation.variants"
        )
    kept = {
        name: replace(
            sketch,
            requests=tuple(sketch.requests[place] for place in places),
            digests=tuple(sketch.digests[place] for place in places),
        )
        for name, sketch in sketches.items()
    }
    targets: tuple[Target, ...] = tuple(study.targets[place] for place in places)
    return replace(study, targets=targets), kept


def _audience(study: Study, judge: ClipJudge) -> Audience:
    texts = [target.text for target in study.targets]
    held_out = [user.held_out for user in study.users]
    references = [text for history in held_out for text in history.texts]
    return Audience(
        owners=np.array([target.owner for target in study.targets]),
        targets=judge.encode_texts(texts),
        target_features=study.vectors_of(texts).unit_mean_tokens,
        references=judge.encode_texts(references),
        reference_features=study.vectors_of(references).unit_mean_tokens,
        weights=np.concatenate([history.weights for history in held_out]),
        users=np.repeat(np.arange(len(held_out)), [len(history) for history in held_out]),
    )


def _variant_rows(bench: Bench, variant: Variant, sketch: Sketch) -> Iterator[dict[str, object]]:
    images = np.stack([bench.images[digest] for digest in sketch.digests])
    values = measure_pictures(
        bench.audience,
        images=images,
        plain_images=bench.plain_images,
        text_features=_text_features(bench.study, sketch),
    )
    yield from _rows(bench, variant, values, images)


def _constant_rows(bench: Bench, plain: Variant) -> Iterator[dict[str, object]]:
    """Measure one picture given to all: the plain one that suits all histories best."""
    best = bench.audience.score_histories(bench.plain_images).mean(axis=1).argmax()
    images = np.repeat(bench.plain_images[[best]], len(bench.plain_images), axis=0)
    values = measure_pictures(
        bench.audience,
        images=images,
        plain_images=bench.plain_images,
        text_features=bench.audience.target_features,
    )
    of_pictures = {name: value for name, value in values.items() if MEASURES[name].by_judge}
    yield from _rows(bench, replace(plain, name=CONSTANT, group="control"), of_pictures, images)


def _text_features(study: Study, sketch: Sketch) -> Vectors:
    """`[P, w]` the unit mean of the tokens of each personalized condition."""
    features = []
    for start in range(0, len(sketch.requests), PICTURES_PER_SAVE):
        condition = study.artist.condition(sketch.requests[start : start + PICTURES_PER_SAVE], sketch.options)
        tokens = condition.prompt_embeds.float().cpu().numpy()
        features.append(ReferenceVectors.of_tokens(tokens).unit_mean_tokens)
    return np.concatenate(features)


def _rows(
    bench: Bench, variant: Variant, values: Mapping[str, Vectors], images: Vectors
) -> Iterator[dict[str, object]]:
    """One row per user and measure, and one per measure of all users together."""
    owners, users = bench.audience.owners, bench.study.users
    num_pictures = np.bincount(owners, minlength=len(users))
    for name, of_pictures in values.items():
        of_users = mean_by_user(of_pictures, owners, len(users))
        for user, value, number in zip(users, of_users, num_pictures, strict=True):
            yield _row(variant, name, MEASURES[name], value, number) | {"user_id": user.user_id}
    p_values = measure_p_values(
        bench.audience, images=images, plain_images=bench.plain_images, seed=bench.study.settings.seed
    )
    for name, p_value in p_values.items():
        yield _row(variant, name, P_VALUES[name], p_value, len(images)) | {"user_id": None}


def _row(
    variant: Variant, name: str, measured: Measure, value: float, num_pictures: int
) -> dict[str, object]:
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


def _judges(study: Study, judge: ClipJudge) -> dict[bool, dict[str, object]]:
    """Who measured, by whether it was the judge."""
    return {
        True: {
            "judge": study.settings.evaluation.judge,
            "judge_revision": judge.fingerprint,
            "judge_is_independent": not judge.shares_text_encoder(study.artist.token_embeddings),
        },
        False: {
            "judge": MODEL_ITSELF,
            "judge_revision": study.artist.encoder_fingerprint[:16],
            "judge_is_independent": False,
        },
    }


def _origin(study: Study, run_id: str) -> dict[str, object]:
    return {
        "run_id": run_id,
        "data_set": data_name(study.settings),
        "model_version": study.champion.version,
        "recipe_digest": evaluation_recipe(study.settings, study.artist.pipeline_fingerprint),
        "snapshot_id": study.snapshot_id,
        "measured_at": datetime.now(UTC),
    }
