"""How many references of a history are used, and which: one policy for nights, evaluations and single calls.

Legend: H references in the history.
"""

from collections.abc import Sequence
from typing import Annotated, Self

import numpy as np
from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from fan_model.method.profiling import (
    FloatArray,
    ReferenceVectors,
    Selection,
    count_references,
    distinctiveness,
    select_references,
)

MAX_REFERENCES = 1_000
"""References of one picture, before and after tailored profiling: each takes memory in every layer."""


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class SelectionPolicy:
    """How references are selected (tailored profiling)."""

    fraction: Annotated[
        float,
        Field(
            gt=0,
            le=1,
            description="Share of the history that is kept, as in the paper; at least one reference is. "
            'With 1 and no `max_references` it is kept whole: the ablation "without profiling".',
        ),
    ] = 0.1
    max_references: Annotated[
        Annotated[int, Field(ge=1, le=MAX_REFERENCES)] | None,
        Field(description="Never keep more than this; none: no limit. Fewer are faster, more are broader."),
    ] = 20
    min_references: Annotated[
        int,
        Field(
            ge=1,
            le=MAX_REFERENCES,
            description="Keep at least this many, if there are so many: few say little of a taste.",
        ),
    ] = 1
    distinctive: Annotated[
        bool,
        Field(
            description="Prefer references that set the user apart from the crowd, where there is a crowd: "
            "relevance x preference x distinctiveness. False: the paper's tailored profiling."
        ),
    ] = False
    cold_start: Annotated[
        bool,
        Field(
            description="Give users with little history references from what others liked, nearest to their "
            "targets."
        ),
    ] = True
    little_history: Annotated[
        int,
        Field(
            ge=1,
            description="With fewer references than this a history is little, and filled up to it.",
        ),
    ] = 3

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.max_references is not None and self.min_references > self.max_references:
            raise ValueError(
                f"min_references = {self.min_references} is above max_references = {self.max_references}: "
                "change one of them"
            )
        return self

    def num_references(self, history_size: int) -> int:
        """How many of H references are kept: 0 of none, else at least 1."""
        share = count_references(history_size, fraction=self.fraction)
        wanted = min(max(share, self.min_references), history_size)
        return wanted if self.max_references is None else min(wanted, self.max_references)

    def select(
        self,
        target: ReferenceVectors,
        history: ReferenceVectors,
        weights: FloatArray | Sequence[float],
        *,
        num_borrowed: int = 0,
        crowd: FloatArray | None = None,
    ) -> Selection:
        """Select the references of one target by their vectors.

        Args:
            target: Vectors of the one target.
            history: Vectors of H references.
            weights: [H] preference strengths, finite and above 0.
            num_borrowed: How many of the H are not the user's own: a little history that others filled up is
                kept whole.
            crowd: [d] weighted mean of the crowd's unit means of tokens; None if there is no crowd.

        Raises:
            ValueError: Sizes do not match, or a weight is not a finite number above 0.
        """
        if not len(history):
            return Selection(np.empty(0, np.int64), np.empty(0, np.float32))
        kept = len(history) if num_borrowed else self.num_references(len(history))
        if self.distinctive and crowd is not None:
            weights = np.asarray(weights) * distinctiveness(history, weights, crowd)
        return select_references(target, history, weights, num_references=kept)
