"""All measures of one variant's pictures, a value per picture.

Letters: P pictures, U users, R held-out references of all users, d width of the judge's space, w width of the
model's text features.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evaluation.measures.clip_score import clip_score, history_score
from evaluation.measures.diversity import measure_diversity
from evaluation.measures.identification import identify_users
from evaluation.measures.kernel_distance import measure_kernel_distance
from evaluation.measures.own_minus_other import measure_own_minus_other, own_minus_other

TINY = 1e-12

Floats = NDArray[np.floating]
Integers = NDArray[np.integer]


@dataclass(frozen=True)
class Measure:
    """What a number means."""

    scale: str
    """Unit and range."""
    meaning: str
    """In words, for the report."""
    by_judge: bool = True
    """Whether the judge made it; else the model's own text encoder did."""


CLAMPED, COSINE, SHARE = "100 * cosine, at least 0", "100 * cosine", "share of pictures"

MEASURES: Mapping[str, Measure] = {
    "clip_target": Measure(CLAMPED, "CLIP score of the picture against its target's text: fidelity."),
    "clip_history": Measure(
        CLAMPED, "CLIP score against the user's held-out history, mean by preference strength."
    ),
    "history_cosine": Measure(COSINE, "The same without the floor at 0, which hides weak agreement."),
    "own_minus_other": Measure(
        COSINE, "history_cosine, less that of the same picture with other users' histories: preference."
    ),
    "own_minus_other_centred": Measure(
        COSINE, "The same with what each history is beyond the mean of all: preference that sets users apart."
    ),
    "change_reciprocal_rank": Measure(
        "1 / rank",
        "Re-identification from what personalization changed: the owner's rank by the change of the user's "
        "pictures, beyond that of all.",
    ),
    "reciprocal_rank": Measure(
        "1 / rank", "Re-identification: the owner's rank among all users by history_cosine; the mean is MRR."
    ),
    "hit_at_1": Measure(SHARE, "Re-identification: the owner ranks first."),
    "hit_at_10": Measure(SHARE, "Re-identification: the owner ranks among the first ten."),
    "diversity_within": Measure("1 - cosine", "Distance of a picture to the same user's other pictures."),
    "diversity_between": Measure("1 - cosine", "Distance of a picture to other users' pictures."),
    "kernel_distance": Measure(
        "squared MMD, kernel (cosine + 1)^3", "Distance of the variant's pictures to the plain ones."
    ),
    "text_alignment_target": Measure(
        COSINE, "Personalized text feature (mean of the condition's tokens) with the target's.", False
    ),
    "text_alignment_history": Measure(
        COSINE, "Personalized text feature with those of the held-out history.", False
    ),
}

P_VALUES: Mapping[str, Measure] = {
    "own_minus_other_p": Measure(
        "p-value", "Chance of such an own_minus_other, were histories dealt to users at random."
    ),
    "own_minus_other_added_p": Measure(
        "p-value", "The same for what is added to the plain pictures, which suit their users already."
    ),
}
"""Measures of all users together."""


@dataclass(frozen=True, kw_only=True)
class GroundTruth:
    """Whom pictures are drawn for, and what they are held against; the same for all variants."""

    owners: Integers
    """`[P]` user (0 to U - 1) of each picture."""
    targets: Floats
    """`[P, d]` the judge's vectors of the targets' texts."""
    target_features: Floats
    """`[P, w]` the model's text features of the same."""
    references: Floats
    """`[R, d]` the judge's vectors of the held-out references."""
    reference_features: Floats
    """`[R, w]` the model's text features of the same."""
    weights: Floats
    """`[R]` preference strengths, above 0."""
    users: Integers
    """`[R]` user of each held-out reference; each user has at least one."""

    @cached_property
    def histories(self) -> Floats:
        """`[U, d]` mean held-out reference of each user, by weight: one product gives the mean cosine."""
        return self._mean_by_user(self.references)

    @cached_property
    def history_features(self) -> Floats:
        """`[U, w]` the same of the model's text features."""
        return self._mean_by_user(self.reference_features)

    @cached_property
    def references_of_pictures(self) -> tuple[Integers, Integers]:
        """Each picture with each of its owner's references: places of pictures, and of references."""
        places = [np.flatnonzero(self.users == owner) for owner in self.owners]
        return np.repeat(np.arange(len(places)), [len(some) for some in places]), np.concatenate(places)

    def score_histories(self, images: Floats) -> NDArray[np.float64]:
        """`[P, U]` mean of 100 cos of each picture with each user's held-out references."""
        return 100.0 * images.astype(np.float64) @ self.histories.T.astype(np.float64)

    @cached_property
    def apart(self) -> Floats:
        """`[U, d]` unit vectors of what each history is beyond the mean of all."""
        apart = self.histories - self.histories.mean(axis=0)
        return apart / np.maximum(np.linalg.norm(apart, axis=1, keepdims=True), TINY)

    def score_apart(self, images: Floats) -> NDArray[np.float64]:
        """`[P, U]` 100 times the product of each vector with what sets each history apart."""
        return 100.0 * images.astype(np.float64) @ self.apart.T.astype(np.float64)

    def pool_changes(self, changes: Floats) -> Floats:
        """`[P, d]` for each picture the mean change of its owner's pictures, beyond that of all pictures.

        Where nothing changed there are zeros, which are as near to everybody.
        """
        beyond = changes - changes.mean(axis=0)
        num_users = len(self.histories)
        sums = np.zeros((num_users, changes.shape[1]))
        np.add.at(sums, self.owners, beyond)
        counts = np.bincount(self.owners, minlength=num_users)
        return (sums / np.maximum(counts, 1)[:, None])[self.owners]

    def _mean_by_user(self, vectors: Floats) -> Floats:
        shares = np.zeros((int(self.users.max()) + 1, len(self.users)))
        shares[self.users, np.arange(len(self.users))] = self.weights
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return (shares / shares.sum(axis=1, keepdims=True)) @ unit


def measure_pictures(
    truth: GroundTruth, *, images: Floats, plain_images: Floats, text_features: Floats
) -> dict[str, NDArray[np.float64]]:
    """Measure the pictures of one variant.

    Args:
        truth: whom they are for.
        images: `[P, d]` the judge's unit vectors of the pictures.
        plain_images: `[P, d]` those of the same pictures without personalization.
        text_features: `[P, w]` the model's text features of the personalized prompts.

    Returns:
        `[P]` values of each of `MEASURES`, by name.
    """
    pictures = np.arange(len(images))
    scores = truth.score_histories(images)
    own = scores[pictures, truth.owners]
    artworks, references = truth.references_of_pictures
    identified = identify_users(scores, truth.owners)
    diversity = measure_diversity(images, truth.owners)
    features = text_features / np.linalg.norm(text_features, axis=1, keepdims=True)
    return {
        "clip_target": clip_score(images, truth.targets),
        "clip_history": history_score(
            images, truth.references[references], truth.weights[references], artworks
        ),
        "history_cosine": own,
        "own_minus_other": own_minus_other(scores, truth.owners),
        "own_minus_other_centred": own_minus_other(truth.score_apart(images), truth.owners),
        "change_reciprocal_rank": identify_users(
            truth.score_apart(truth.pool_changes(images - plain_images)), truth.owners
        ).reciprocal_rank,
        "reciprocal_rank": identified.reciprocal_rank,
        "hit_at_1": identified.hit_at_1,
        "hit_at_10": identified.hit_at_10,
        "diversity_within": diversity.within,
        "diversity_between": diversity.between,
        "kernel_distance": measure_kernel_distance(images, plain_images),
        "text_alignment_target": clip_score(features, truth.target_features, lowest=-100.0),
        "text_alignment_history": 100.0 * np.sum(features * truth.history_features[truth.owners], axis=1),
    }


def measure_p_values(
    truth: GroundTruth, *, images: Floats, plain_images: Floats, seed: int = 0
) -> dict[str, float]:
    """Test whether pictures suit their own user's history better than chance.

    Args:
        truth: whom they are for.
        images: `[P, d]` the judge's unit vectors of the pictures.
        plain_images: `[P, d]` those of the same pictures without personalization.
        seed: start of the random numbers.

    Returns:
        Values of `P_VALUES`, by name.
    """
    scores = truth.score_histories(images)
    added = scores - truth.score_histories(plain_images)
    p_values = [measure_own_minus_other(some, truth.owners, seed=seed).p_value for some in (scores, added)]
    return dict(zip(P_VALUES, p_values, strict=True))


def mean_by_user(values: Floats, owners: Integers, num_users: int) -> NDArray[np.float64]:
    """`[U]` mean of each user's pictures, over those with a value; NaN where none has."""
    known = ~np.isnan(values)
    counts = np.bincount(owners[known], minlength=num_users)
    sums = np.bincount(owners[known], values[known], minlength=num_users)
    return np.divide(sums, counts, out=np.full(num_users, np.nan), where=counts > 0)
