"""What an evaluation found, value by value: the rows of `evaluation_results`."""

from dataclasses import dataclass
from datetime import datetime


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
