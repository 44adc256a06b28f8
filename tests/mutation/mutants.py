"""One changed source of one module, and what it is called."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """A module with one small fault in it."""

    name: str
    """The changed lines, `before => after`; unique within the module, the same in every run."""
    line: int
    """First line that differs, from 1."""
    source: str
    """The whole module."""


def name_mutants(original: str, sources: list[str]) -> list[Mutant]:
    """Name changed sources by what differs; sources that are the original or one another are left out.

    Args:
        original: the module as it is.
        sources: the module with one change each.
    """
    mutants: dict[str, Mutant] = {}
    for source in dict.fromkeys(sources):
        if source == original:
            continue
        line, before, after = _difference(original.splitlines(), source.splitlines())
        name, number = f"{before} => {after}", 1
        while name in mutants:
            number += 1
            name = f"{before} => {after} #{number}"
        mutants[name] = Mutant(name, line, source)
    return list(mutants.values())


def _difference(old: list[str], new: list[str]) -> tuple[int, str, str]:
    """The number of the first line that differs, and the lines that do, with single spaces."""
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    before, after = (" ".join(" ".join(lines[start : len(lines) - end]).split()) for lines in (old, new))
    return start + 1, before, after
