"""Settings of the sources: each `[[sources]]` table names an adapter, and gives it its own keys."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, field_validator, model_validator

from flows.settings_lines import Key
from flows.settings_problems import find_mistaken, say_problems
from flows.settings_section import refuse_blank
from recsys_adapters.records.source_file import SourceFile
from recsys_adapters.sources.catalogue import Catalogue
from recsys_adapters.sources.event_log import EventLog
from recsys_adapters.sources.movielens import MovieLens
from recsys_adapters.sources.prompt_histories import PromptHistories
from recsys_adapters.sources.recommendations import Recommendations

ADAPTERS: dict[str, type] = {
    "movielens": MovieLens,
    "event_log": EventLog,
    "catalogue": Catalogue,
    "recommendations": Recommendations,
    "prompt_histories": PromptHistories,
}


class Adapter(Protocol):
    """What every adapter can do."""

    def files(self) -> Iterable[SourceFile]:
        """List the files that it offers."""


class Source(BaseModel):
    """One `[[sources]]` table: the adapter's name, a path, and the adapter's own keys."""

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)

    adapter: Literal["movielens", "event_log", "catalogue", "recommendations", "prompt_histories"]
    """Kind of source."""
    path: Path
    """Folder, file, pattern or address (`s3://`, `https://`, `file:///`); a relative path starts at the
    settings file's folder."""

    _filled = field_validator("adapter", "path", mode="before")(refuse_blank)

    @model_validator(mode="after")
    def _check_adapter(self) -> Self:
        self.build()
        return self

    def build(self) -> Adapter:
        """Make the adapter.

        Raises:
            ValueError: if a key is unknown to it, missing, or has a value that it refuses.
        """
        values: dict[str, Any] = {"path": self.path, **(self.model_extra or {})}
        if not str(values.get("source", self.adapter)).strip():
            raise ValueError("source is empty: fill it in, or leave it out")
        kind = ADAPTERS[self.adapter]
        known = [field.name for field in fields(kind)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            meant = get_close_matches(unknown[0], known, n=1)
            hint = f"; did you mean {meant[0]}?" if meant else ""
            raise ValueError(
                f"{self.adapter} has no key {', '.join(unknown)}{hint}; its keys are {', '.join(known)}"
            )
        try:
            made: Adapter = TypeAdapter(kind).validate_python(values)
        except ValidationError as error:
            raise ValueError(_listed(self.adapter, say_problems(error.errors(include_url=False)))) from error
        if mistaken := find_mistaken(values, made):
            raise ValueError(_listed(self.adapter, mistaken))
        return made

    def files(self) -> Iterable[SourceFile]:
        """List the files that the source offers now."""
        return self.build().files()


def told_apart(sources: Sequence[Source]) -> tuple[list[tuple[str, Adapter]], list[str]]:
    """Make the adapters, no two with one name: what one source says is never taken for what another says.

    Returns:
        Name and adapter of each source, in the order of the settings; and the names that several have.
    """
    adapters: list[Any] = [source.build() for source in sources]
    number: Counter[str] = Counter()
    named: list[tuple[str, Adapter]] = []
    for adapter in adapters:
        number[adapter.source] += 1
        if number[adapter.source] > 1:
            adapter = replace(adapter, source=f"{adapter.source}-{number[adapter.source]}")
        named.append((adapter.source, adapter))
    return named, [name for name, times in number.items() if times > 1]


def _listed(adapter: str, problems: Mapping[tuple[Key, ...], str]) -> str:
    """All problems of an adapter's own keys."""
    return "; ".join(
        f"{'.'.join(map(str, (adapter, *keys)))}: {message}" for keys, message in problems.items()
    )
