"""What a deployment allows, and how it refuses: one sentence that names the field and what it may be.

No refusal repeats a text that was sent: it may be private, and it may be markup.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, NamedTuple, TypeVar

import numpy as np
from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from fan_model.drawing.requests import (
    MAX_LAYERS,
    MAX_NUM_REFERENCES,
    MAX_SEED,
    ArtworkRequest,
    DrawingOptions,
    RequestError,
)

WEIGHT_RANGE = (1e-9, 1e9)
"""Beyond these, shares of a sum of weights are no numbers any more."""

MARKUP = re.compile(r"<\s*[a-z/!?]|&#?\w+;", re.IGNORECASE)
FILE_NAME = re.compile(r"\.(png|jpe?g|gif|webp|bmp|tiff?|svg)\s*$", re.IGNORECASE)

PUBLIC_NAMES = {"image_format": "format"}
"""Fields that callers know by another name."""

PLAIN = DrawingOptions()

Count = Annotated[int, Field(ge=1)]
Made = TypeVar("Made")
Allowed = Callable[[str], str]
"""What a field may be, in words."""


class Sides(NamedTuple):
    """Heights and widths that a pipeline draws, in pixels."""

    own: int
    """What it was trained for."""
    multiple: int
    """Every side is a multiple of this."""

    def longest(self, max_enlargement: float) -> int:
        """The longest side within a limit that a picture can have."""
        return int(self.own * max_enlargement) // self.multiple * self.multiple

    def allowed(self, max_enlargement: float) -> str:
        """What a side may be, in words."""
        return f"a multiple of {self.multiple} from {self.multiple} to {self.longest(max_enlargement)} pixels"


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class RequestLimits:
    """What a deployment allows."""

    max_characters: Count = 2_000
    """Length of a prompt, a negative prompt or a reference."""
    max_references: Count = 1_000
    """References of one request, before profiling."""
    max_inference_steps: Count = 200
    """Denoising steps."""
    max_guidance_scale: Annotated[float, Field(gt=0)] = 50.0
    """Strength of guidance."""
    max_enlargement: Annotated[float, Field(ge=1)] = 2.0
    """Height or width, in multiples of the pipeline's own."""
    max_rows: Count = 64
    """Pictures of one request to the service."""
    max_body_bytes: Count = 4 * 2**20
    """Size of one request to the service."""
    plain_text: bool = True
    """Whether the service refuses markup, and texts that end like the name of a picture file."""

    def parse_request(self, row: Mapping[str, Any]) -> ArtworkRequest:
        """A request from a mapping as JSON or a data frame gives it, with lists or arrays.

        Raises:
            RequestError: A field is unknown, missing, of the wrong type or out of its range.
        """
        fields = {name: name for name in ArtworkRequest.__dataclass_fields__}
        refuse_unknown("a row", row, fields)
        request = _make(ArtworkRequest, row, fields, self._allowed)
        self.check_request(request)
        return request

    def parse_options(
        self, params: Mapping[str, Any], sides: Sides, defaults: DrawingOptions = PLAIN
    ) -> DrawingOptions:
        """Options from a mapping by callers' names (`format`); those missing are as in `defaults`.

        Raises:
            RequestError: A field is unknown, of the wrong type or out of its range.
        """
        fields = {PUBLIC_NAMES.get(name, name): name for name in DrawingOptions.__dataclass_fields__}
        refuse_unknown("params", params, fields)
        options = _make(partial(replace, defaults), params, fields, partial(self._allowed, sides=sides))
        self.check_options(options, sides)
        return options

    def check_request(self, request: ArtworkRequest) -> None:
        """Refuse a request beyond the limits.

        Raises:
            RequestError: A text is too long, a weight too large or small, or there are too many references.
        """
        longest = max(map(len, request.references), default=0)
        lightest, heaviest = WEIGHT_RANGE
        self._require("prompt", len(request.prompt) <= self.max_characters)
        self._require("references", len(request.references) <= self.max_references)
        self._require("references", longest <= self.max_characters)
        self._require("weights", all(lightest <= weight <= heaviest for weight in request.strengths))

    def check_plain_text(self, name: str, texts: Iterable[str]) -> None:
        """Refuse markup and names of picture files, which no caller of a service means as words to draw.

        Raises:
            RequestError: A text is not plain.
        """
        if self.plain_text and not all(map(_is_plain, texts)):
            raise RequestError(
                f"{name} must be {self._allowed(name)}, in plain words: no HTML, and no name of an image file"
            )

    def check_options(self, options: DrawingOptions, sides: Sides) -> None:
        """Refuse options beyond the limits, or a size that the pipeline cannot draw.

        Raises:
            RequestError: A number is too large, or a size does not divide.
        """
        self._require("negative_prompt", len(options.negative_prompt) <= self.max_characters)
        self._require("num_inference_steps", options.num_inference_steps <= self.max_inference_steps)
        self._require("guidance_scale", options.guidance_scale <= self.max_guidance_scale)
        longest = sides.longest(self.max_enlargement)
        for name, side in (("height", options.height), ("width", options.width)):
            fits = side is None or (side <= longest and side % sides.multiple == 0)
            self._require(name, fits, sides)

    def _require(self, name: str, holds: bool, sides: Sides | None = None) -> None:
        if not holds:
            raise RequestError(f"{name} must be {self._allowed(name, sides)}")

    def _allowed(self, name: str, sides: Sides | None = None) -> str:
        """What a field may be, in words; heights and widths depend on the pipeline's."""
        text = f"text of 1 to {self.max_characters} characters, some of them visible"
        sizes = (
            {} if sides is None else dict.fromkeys(("height", "width"), sides.allowed(self.max_enlargement))
        )
        return {
            **sizes,
            "prompt": f"a {text}",
            "references": f"a list of at most {self.max_references} texts, each a {text}",
            "weights": "a list of numbers from {:g} to {:g}, one per reference".format(*WEIGHT_RANGE),
            "seed": f"a whole number from 0 to {MAX_SEED}",
            "alpha": "a number from 0 to 1",
            "num_references": f"a whole number from 1 to {MAX_NUM_REFERENCES}",
            "num_inference_steps": f"a whole number from 1 to {self.max_inference_steps}",
            "guidance_scale": f"a number from 0 to {self.max_guidance_scale:g}",
            "negative_prompt": f"a text of at most {self.max_characters} characters",
            "image_format": "png or webp",
            "skip_layers": f"a list of at most {MAX_LAYERS} layer numbers from 0 to {MAX_LAYERS - 1}",
            "target_query": "true or false",
            "profiling": "true or false",
        }[name]


def refuse_unknown(where: str, names: Iterable[Any], known: Iterable[str]) -> None:
    """Refuse fields that nobody reads.

    Raises:
        RequestError: A name is not among the known ones.
    """
    unknown = len(set(names) - set(known))
    if unknown:
        raise RequestError(f"{where} must have no fields but {', '.join(known)}: {unknown} unknown")


def _make(
    make: Callable[..., Made], values: Mapping[str, Any], fields: Mapping[str, str], allowed: Allowed
) -> Made:
    """Call with the values by their fields' names, and put what pydantic has to say into one sentence."""
    plain: dict[str, Any] = {fields[name]: _plain(value) for name, value in values.items()}
    try:
        return make(**plain)
    except ValidationError as error:
        raise RequestError(_sentence(error, allowed)) from None


def _sentence(error: ValidationError, allowed: Allowed) -> str:
    """The first complaint, as one sentence without the value."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    if not first["loc"]:
        return first["msg"].removeprefix("Value error, ")
    field, *inner = map(str, first["loc"])
    name = PUBLIC_NAMES.get(field, field)
    culprit = f"{name}[{inner[0]}] is refused: " if inner and inner[0].isdigit() else ""
    return f"{culprit}{name} must be {allowed(field)}"


def _plain(value: object) -> object:
    """An array or a list becomes a tuple, a number of numpy's one of Python's."""
    if isinstance(value, np.ndarray | list | tuple):
        return tuple(item.item() if isinstance(item, np.generic) else item for item in value)
    return value.item() if isinstance(value, np.generic) else value


def _is_plain(text: str) -> bool:
    return not (MARKUP.search(text) or FILE_NAME.search(text))
