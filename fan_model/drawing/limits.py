"""What a deployment allows, and how it refuses: one sentence that names the field and what it may be.

No refusal repeats a text that was sent: it may be private, and it may be markup.
"""

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from functools import cached_property, partial
from numbers import Real
from typing import Annotated, Any, NamedTuple, TypeVar

import numpy as np
from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from fan_model.drawing.fields import Allowed, public_names, read_fields
from fan_model.drawing.requests import ArtworkRequest, DrawingOptions
from fan_model.drawing.texts import MAX_CHARACTERS
from fan_model.method.selection_policy import MAX_REFERENCES
from fan_model.request_errors import RequestError

REQUEST, OPTIONS = read_fields(ArtworkRequest), read_fields(DrawingOptions)
PUBLIC_NAMES = public_names(ArtworkRequest) | public_names(DrawingOptions)
"""What callers call each field."""
MAX_INFERENCE_STEPS = int(OPTIONS["num_inference_steps"].highest)
MIN_GUIDANCE_SCALE, MAX_GUIDANCE_SCALE = OPTIONS["guidance_scale"].lowest, OPTIONS["guidance_scale"].highest

PLAIN = DrawingOptions()
MAX_EXACT_FLOAT = 2.0**53
"""From here on, floats skip integers."""
PLAIN_NAME = re.compile(r"[A-Za-z_]\w{0,31}", re.ASCII)
"""A field's name that a refusal may repeat: it is no markup, and too short for a text."""

Count = Annotated[int, Field(ge=1)]
Made = TypeVar("Made")


class Sides(NamedTuple):
    """Heights and widths that a pipeline draws, in pixels."""

    own: int
    """What it was trained for."""
    multiple: int
    """Every side is a multiple of this."""

    def narrow(self, side: Allowed, max_enlargement: float) -> Allowed:
        """The sides that the pipeline draws within a limit."""
        longest = int(self.own * max_enlargement) // self.multiple * self.multiple
        return replace(side, lowest=self.multiple, highest=longest, multiple=self.multiple)


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", use_attribute_docstrings=True))
class RequestLimits:
    """What a deployment allows; what is narrower than the fields' own ranges, which hold everywhere."""

    max_characters: Annotated[int, Field(ge=1, le=MAX_CHARACTERS)] = MAX_CHARACTERS
    """Length of a prompt, a negative prompt or a reference."""
    max_references: Annotated[int, Field(ge=1, le=MAX_REFERENCES)] = MAX_REFERENCES
    """References of one request, before profiling."""
    max_inference_steps: Annotated[int, Field(ge=1, le=MAX_INFERENCE_STEPS)] = MAX_INFERENCE_STEPS
    """Denoising steps."""
    max_guidance_scale: Annotated[float, Field(ge=MIN_GUIDANCE_SCALE, le=MAX_GUIDANCE_SCALE)] = (
        MAX_GUIDANCE_SCALE
    )
    """Strength of guidance."""
    max_enlargement: Annotated[float, Field(ge=1)] = 2.0
    """Height or width, in multiples of the pipeline's own."""
    max_rows: Count = 64
    """Pictures of one request to the service."""
    max_body_bytes: Count = 4 * 2**20
    """Size of one request to the service."""

    def parse_request(self, row: Mapping[str, Any]) -> ArtworkRequest:
        """A request from a mapping as JSON or a data frame gives it, with lists or arrays.

        Raises:
            RequestError: A field is unknown, missing, of the wrong type or out of its range.
        """
        refuse_unknown("a row", row, REQUEST)
        request = _make(ArtworkRequest, row, self.request)
        self.check_request(request)
        return request

    def parse_options(
        self, params: Mapping[str, Any], sides: Sides, defaults: DrawingOptions = PLAIN
    ) -> DrawingOptions:
        """Options from a mapping by callers' names (`format`); those missing are as in `defaults`.

        Raises:
            RequestError: A field is unknown, of the wrong type or out of its range.
        """
        names = {PUBLIC_NAMES[name]: name for name in OPTIONS}
        refuse_unknown("params", params, names)
        given = {names[name]: value for name, value in params.items()}
        options = _make(partial(replace, defaults), given, self.options(sides))
        self.check_options(options, sides)
        return options

    def check_request(self, request: ArtworkRequest) -> None:
        """Refuse a request beyond the limits.

        Raises:
            RequestError: A text is too long, or there are too many references.
        """
        _check(request, self.request)

    def check_options(self, options: DrawingOptions, sides: Sides) -> None:
        """Refuse options beyond the limits, or a size that the pipeline cannot draw.

        Raises:
            RequestError: A number is too large, or a size does not divide.
        """
        _check(options, self.options(sides))

    @cached_property
    def request(self) -> dict[str, Allowed]:
        """What each field of a request may be."""
        references = REQUEST["references"]
        text = replace(REQUEST["prompt"], longest=self.max_characters)
        return REQUEST | {
            "prompt": text,
            "references": replace(references, longest=self.max_references, item=text),
            "weights": replace(REQUEST["weights"], longest=self.max_references),
        }

    def options(self, sides: Sides) -> dict[str, Allowed]:
        """What each option may be, for a pipeline that draws such sides."""
        narrower: dict[str, dict[str, Any]] = {
            "num_inference_steps": {"highest": self.max_inference_steps},
            "guidance_scale": {"highest": self.max_guidance_scale},
            "negative_prompt": {"longest": self.max_characters},
            "crowd": {"item": self.request["prompt"]},
        }
        allowed = {name: replace(OPTIONS[name], **limits) for name, limits in narrower.items()}
        side = {name: sides.narrow(OPTIONS[name], self.max_enlargement) for name in ("height", "width")}
        return OPTIONS | allowed | side


def refuse_unknown(where: str, names: Iterable[Any], known: Iterable[str]) -> None:
    """Refuse fields that nobody reads; one that is spelt like a field is named, with the one it is most like.

    Raises:
        RequestError: A name is not among the known ones.
    """
    known = list(known)
    unknown = [name for name in names if name not in known]
    if not unknown:
        return
    told = [name for name in unknown if isinstance(name, str) and PLAIN_NAME.fullmatch(name)][:1]
    meant = get_close_matches(told[0], known, n=1) if told else []
    which = f"{told[0]} is unknown" if told else f"{len(unknown)} unknown"
    hint = f", did you mean {meant[0]}?" if meant else ""
    raise RequestError(f"{where} must have no fields but {', '.join(known)}: {which}{hint}")


def _make(make: Callable[..., Made], values: Mapping[str, Any], allowed: Mapping[str, Allowed]) -> Made:
    """Call with the values by their fields' names, and put what pydantic has to say into one sentence."""
    plain: dict[str, Any] = {name: _plain(value, allowed[name]) for name, value in values.items()}
    try:
        return make(**plain)
    except ValidationError as error:
        raise RequestError(_sentence(error, allowed)) from None


def _check(made: ArtworkRequest | DrawingOptions, allowed: Mapping[str, Allowed]) -> None:
    for name, values in allowed.items():
        if not values.admits(getattr(made, name)):
            raise RequestError(f"{PUBLIC_NAMES[name]} must be {values.in_words()}")


def _sentence(error: ValidationError, allowed: Mapping[str, Allowed]) -> str:
    """The first complaint, as one sentence without the value."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    if not first["loc"]:
        return first["msg"].removeprefix("Value error, ")
    field, *inner = map(str, first["loc"])
    name = PUBLIC_NAMES[field]
    culprit = f"{name}[{inner[0]}] is refused: " if inner and inner[0].isdigit() else ""
    return f"{culprit}{name} must be {allowed[field].in_words()}"


def _plain(value: object, allowed: Allowed) -> object:
    """An array or a list becomes a tuple, a number of numpy's one of Python's.

    A whole number that was written as a float is whole: JSON of 7.0, a column of a data frame with a gap. A
    large integer is another one as a float, so that such a one stays a float and is refused.
    """
    if isinstance(value, np.ndarray | list | tuple):
        return tuple(_plain(item, allowed.item or allowed) for item in value)
    value = value.item() if isinstance(value, np.generic) else value
    if allowed.kind is int and isinstance(value, float) and value.is_integer():
        return int(value) if abs(value) < MAX_EXACT_FLOAT else value
    return value


def check_strengths(weights: Collection[float]) -> None:
    """Refuse weights that no preference has.

    Raises:
        RequestError: One is not a finite number above 0.
    """
    if not all(isinstance(weight, Real) and 0 < weight < math.inf for weight in weights):
        raise RequestError("weights must be finite numbers above 0")


def check_num_prompts(num_prompts: int, *, takes_one: bool) -> None:
    """See that a pipeline takes the condition of so many prompts in one call.

    Raises:
        RequestError: There are none, or more than one where it takes one at a time.
    """
    if not num_prompts:
        raise RequestError("prompt must be at least one text: there is nothing to read in an empty list")
    if takes_one and num_prompts > 1:
        raise RequestError("prompt must be one: this pipeline takes the condition of one at a time")


def check_reading(options: DrawingOptions, *, is_guided: bool, keeps_words: bool) -> None:
    """See that a pipeline can read prompts as options say.

    Args:
        options: How to draw.
        is_guided: Whether guidance leads away from a negative prompt.
        keeps_words: Whether the prompt's own words can be told from what is read after them.

    Raises:
        RequestError: It cannot.
    """
    if options.negative_prompt and not is_guided:
        raise RequestError("negative_prompt must be empty: guidance leads away from nothing here")
    if options.keep_words and not keeps_words:
        raise RequestError(
            "keep_words must be false: this pipeline reads with a language model, in which every token "
            "takes on the taste"
        )
