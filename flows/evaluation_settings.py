"""Settings of `fan evaluate`: on what it measures, and which variants."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, ValidationError

from flows.rewriting_settings import PromptRewriting
from flows.settings_section import Section, SettingsError, Texts

BUNDLED_PIPELINE = "bundled"


class DataSet(Section):
    """A data set that is evaluated on, in a lake of its own beside the workspace's."""

    adapter: Literal["movielens", "prompt_histories"]
    """What it is; its texts are made as the paper makes them, whatever `[texts]` says."""
    path: Path
    """Its folder; a relative path starts at the settings file's folder."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `ADAPTER=FOLDER`, as the command line has it.

        Raises:
            SettingsError: if it reads otherwise.
        """
        adapter, _, path = text.partition("=")
        try:
            return cls.model_validate({"adapter": adapter, "path": Path(path).expanduser().resolve()})
        except ValidationError as error:
            raise SettingsError(
                f"the data set {text} is unknown: use movielens=FOLDER or prompt_histories=FOLDER"
            ) from error

    @property
    def name(self) -> str:
        """What rows call it: kind and folder."""
        return f"{self.adapter}:{self.path.name}"

    @property
    def texts(self) -> Texts:
        """How its items read."""
        prompts = self.adapter == "prompt_histories"
        return Texts(reference_template="{prompt}", target_template="{prompt}") if prompts else Texts()


class Evaluation(Section):
    """How `fan evaluate` measures what personalization is worth. More users make narrower intervals."""

    data: DataSet | None = None
    """The data set to evaluate on; none: the workspace's own log, from the sources."""
    max_users: int = Field(32, ge=2)
    """Users in the sample, at least two to be told apart. Each variant draws this many times
    `targets_per_user` pictures."""
    sample: int = Field(0, ge=0)
    """Which sample of users: with the same log and `max_users` sample 1 shares nobody with sample 0, so that
    it can confirm what 0 suggested."""
    targets_per_user: PositiveInt = 2
    """Latest liked items of each user that are drawn, with the history before all of them."""
    min_history: int = Field(10, ge=2)
    """Users with fewer references than this before their targets are left out; one to draw from and one to
    measure against is the least."""
    max_history: PositiveInt = 400
    """Only the latest references, so many, are looked at. More are slower without profiling."""
    held_out: float = Field(0.5, gt=0, lt=1)
    """Share of a history, taken at random, that no variant sees: pictures are measured against it."""
    alphas: tuple[Annotated[float, Field(gt=0, le=1)], ...] = (0.2, 0.4, 0.6, 0.8, 1.0)
    """Degrees of personalization to draw with, beside `drawing.alpha` and 0, which are always drawn."""
    contrasts: tuple[Annotated[float, Field(gt=0, le=10)], ...] = (0.4, 0.6, 0.8, 1.0, 1.2)
    """How far to go along what sets a user apart, where nights do so or prefer references that do."""
    skips: tuple[tuple[int, ...], ...] = ((), (0, 1), (0, 1, 2))
    """Choices of layers without personalized attention, beside `drawing.skip_layers`."""
    variants: tuple[str, ...] = ()
    """Draw only these, by name (and always `plain`, `full` and the control); empty: all."""
    peers: bool = False
    """Compare with other methods; beside them only baselines, the control and `variants` are drawn then."""
    rewriter: PromptRewriting = PromptRewriting()
    """The language model of those methods that have one."""
    judge: str = BUNDLED_PIPELINE
    """The CLIP that judges: `bundled` (knows film posters only), a local folder or a hub id. Take one whose
    text encoder the image model does not use, where there is one; the report says if it is not."""
    confidence: float = Field(0.95, gt=0, lt=1)
    """Of all intervals."""
    sheet_users: PositiveInt = 8
    """Users on the report's contact sheets."""
