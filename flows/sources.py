"""Settings of the sources: each `[[sources]]` table names an adapter and what it needs."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from recsys_adapters.movielens import MovieLens
from recsys_adapters.source_file import SourceFile


class _Source(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path
    """Folder or file; a relative path starts at the settings file's folder."""


class MovieLensSource(_Source):
    """Ratings and films of a MovieLens folder, latest or 100K layout."""

    adapter: Literal["movielens"]

    def files(self) -> Iterable[SourceFile]:
        """List the folder's files."""
        return MovieLens(path=self.path).files()


Source = Annotated[MovieLensSource, Field()]
