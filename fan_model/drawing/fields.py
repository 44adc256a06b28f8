"""What a field's value may be, read from where the field is defined: to check it, and to say it in words."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

CONSTRAINTS = {"ge": "lowest", "le": "highest", "min_length": "shortest", "max_length": "longest"}
"""What pydantic calls a limit, and what `Allowed` does."""


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """The values that one field takes."""

    kind: type
    """bool, int, float, str or tuple."""
    lowest: float = -math.inf
    """Of a number."""
    highest: float = math.inf
    """Of a number."""
    multiple: int | None = None
    """What a number of pixels is a multiple of."""
    shortest: int = 0
    """Characters of a text."""
    longest: float = math.inf
    """Characters of a text, or items of a list."""
    choices: tuple[str, ...] = ()
    """All texts that there are, if they are few."""
    item: "Allowed | None" = None
    """What each item of a list may be."""
    optional: bool = False
    """Whether there may be no value."""

    def admits(self, value: Any) -> bool:  # noqa: ANN401
        """Whether a value of this kind is within its range."""
        if value is None:
            return self.optional
        if isinstance(value, str | tuple):
            fits = self.shortest <= len(value) <= self.longest
            return fits and (self.item is None or all(map(self.item.admits, value)))
        fits = self.lowest <= value <= self.highest
        return fits and (self.multiple is None or value % self.multiple == 0)

    def in_words(self) -> str:
        """What the value must be, to end a sentence with."""
        return f"{self._noun()}, or null" if self.optional else self._noun()

    def _noun(self) -> str:
        if self.choices:
            return " or ".join(self.choices)
        if self.item is not None:
            return f"a list of at most {self.longest} items, each {self.item.in_words()}"
        if self.multiple is not None:
            return f"a multiple of {self.multiple} from {self.lowest} to {self.highest} pixels"
        return {
            bool: "true or false",
            int: f"a whole number from {self.lowest} to {self.highest}",
            float: f"a number from {self.lowest:g} to {self.highest:g}",
            str: f"a text of at most {self.longest} characters"
            if self.shortest == 0
            else f"a text of {self.shortest} to {self.longest} characters, some of them visible",
        }[self.kind]


def read_fields(model: type) -> dict[str, Allowed]:
    """What each field of a pydantic dataclass may be, by its name."""
    return {name: _read(field.annotation, field.metadata) for name, field in _fields(model).items()}


def public_names(model: type) -> dict[str, str]:
    """What callers call each field of a pydantic dataclass, by its name here."""
    return {name: field.serialization_alias or name for name, field in _fields(model).items()}


def _fields(model: type) -> Mapping[str, FieldInfo]:
    fields: Mapping[str, FieldInfo] = model.__pydantic_fields__  # type: ignore[attr-defined]
    return fields


def _read(annotation: Any, metadata: Iterable[Any] = ()) -> Allowed:  # noqa: ANN401
    """What a type allows, with the constraints that are written around it."""
    kind, optional, constraints = _unwrap(annotation, list(metadata))
    limits = {
        ours: getattr(one, theirs)
        for theirs, ours in CONSTRAINTS.items()
        for one in constraints
        if hasattr(one, theirs)
    }
    if get_origin(kind) is Literal:
        return Allowed(kind=str, choices=get_args(kind), optional=optional)
    if get_origin(kind) is tuple:
        return Allowed(kind=tuple, item=_read(get_args(kind)[0]), optional=optional, **limits)
    return Allowed(kind=kind, optional=optional, **limits)


def _unwrap(annotation: Any, constraints: list[Any]) -> tuple[Any, bool, list[Any]]:  # noqa: ANN401
    """The bare type inside `Annotated` and `| None`, whether None may be, and all constraints."""
    if get_origin(annotation) is Annotated:
        inner, *extra = get_args(annotation)
        written = [one for each in extra for one in getattr(each, "metadata", [each])]
        return _unwrap(inner, [*constraints, *written])
    if NoneType in get_args(annotation):
        (inner,) = (one for one in get_args(annotation) if one is not NoneType)
        kind, _, constraints = _unwrap(inner, constraints)
        return kind, True, constraints
    return annotation, False, constraints
