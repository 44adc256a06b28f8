"""Which parameters the plain tests try: some of a kind, and all of them among the whole tests."""

from collections.abc import Iterable
from typing import TypeVar

import pytest

Parameter = TypeVar("Parameter")


def some_of(parameters: Iterable[Parameter], *plain: Parameter) -> list[object]:
    """All parameters, of which only those that are named are tried by the plain tests."""
    chosen = list(parameters)
    assert all(one in chosen for one in plain), "a parameter is named that is none"
    return [one if one in plain else pytest.param(one, marks=pytest.mark.whole) for one in chosen]
