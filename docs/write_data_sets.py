"""Write docs/data-sets.md from the recipes that the adapters ship: `python -m docs.write_data_sets`."""

from pathlib import Path

from recsys_adapters.data_sets.recipe_files import DataSetRecipe, read_recipes

PAGE = Path(__file__).with_name("data-sets.md")
PREFACE = """\
<!-- Written by `python -m docs.write_data_sets` from recsys_adapters/data_sets: change it there. -->
# Data sets

How the public data sets of this field are read: the `[[sources]]` tables to put into `fan.toml`, with your
own folder before the name of the file; `fan init --like "Netflix Prize" /data/netflix` writes such a file.
Each is tested on a few lines of the data set's layout. What every key means stands in
[sources.md](sources.md). MovieLens (100K, 1M, 10M, 20M, 20M of Kaggle, 25M, 32M, latest) and the histories of
PIP have adapters of their own: `adapter = "movielens"` and `adapter = "prompt_histories"`, with the data
set's folder as `path`.
"""


def write_page() -> str:
    """Return the page: a section for each recipe."""
    return "\n".join([PREFACE, *map(_section, read_recipes())])


def _section(recipe: DataSetRecipe) -> str:
    remark = f"{recipe.remark}\n\n" if recipe.remark else ""
    return f"## {recipe.name}\n\n{remark}```toml\n{recipe.toml}```\n"


if __name__ == "__main__":
    PAGE.write_text(write_page(), encoding="utf-8")
