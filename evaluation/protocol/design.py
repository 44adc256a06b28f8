"""What an evaluation is: how users are sampled, what is held out, how pictures are drawn and judged."""

from dataclasses import dataclass

from fan_model.drawing.requests import DrawingOptions


@dataclass(frozen=True, kw_only=True)
class StudyDesign:
    """All that is decided before anything is drawn."""

    options: DrawingOptions
    """How `full` draws; variants change a part of it. References are selected before, so none is dropped."""
    seed: int
    """Of everything random."""
    sample: int
    """Which sample of users."""
    targets_per_user: int
    """Latest liked items of each user that are drawn, with the history before all of them."""
    min_history: int
    """Users with fewer references than this before their targets are left out."""
    max_history: int
    """Only the latest references, so many, are looked at."""
    held_out: float
    """Share of a history, above 0 and below 1, that no variant sees."""
    judge: str
    """Name of the CLIP that judges."""
    confidence: float
    """Of all intervals, above 0 and below 1."""
    sheet_users: int
    """Users on the report's contact sheets."""


@dataclass(frozen=True, kw_only=True)
class StudyOrigin:
    """What every row and page of an evaluation says it came from."""

    run_id: str
    data_set: str
    model_version: str
    recipe_digest: str
    """Of all settings that the results depend on."""
    snapshot_id: int
    """Of the lake, as it was read."""
