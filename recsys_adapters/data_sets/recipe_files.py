"""The recipes by their names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files


class UnknownDataSetError(LookupError):
    """There is no recipe of that name."""


@dataclass(frozen=True, kw_only=True)
class DataSetRecipe:
    """How one data set is read."""

    name: str
    """As people call it."""
    remark: str
    """What there is to know; may be empty."""
    toml: str
    """Its `[[sources]]` tables, with paths that start in the data set's folder."""


def read_recipes() -> Sequence[DataSetRecipe]:
    """Return all recipes, by their names."""
    texts = [
        file.read_text(encoding="utf-8")
        for file in files("recsys_adapters.data_sets").iterdir()
        if file.name.endswith(".toml")
    ]
    return sorted(map(_parse, texts), key=lambda recipe: recipe.name.lower())


def find_recipe(name: str) -> DataSetRecipe:
    """Return the recipe of a data set; case, spaces and signs in its name do not count.

    Raises:
        UnknownDataSetError: naming those that there are.
    """
    recipes = {_plain(recipe.name): recipe for recipe in read_recipes()}
    if recipe := recipes.get(_plain(name)):
        return recipe
    near = [recipes[one].name for one in get_close_matches(_plain(name), recipes, n=1)]
    known = ", ".join(recipe.name for recipe in recipes.values())
    hint = f" did you mean {near[0]}?" if near else ""
    raise UnknownDataSetError(f"no recipe for {name}:{hint} There are recipes for {known}")


def _parse(text: str) -> DataSetRecipe:
    head, _, toml = text.partition("\n\n")
    name, *remarks = (line.removeprefix("#").removeprefix(" ") for line in head.splitlines())
    return DataSetRecipe(name=name, remark="\n".join(remarks).strip(), toml=toml)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", name.lower())
