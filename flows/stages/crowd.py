"""The crowd that nights contrast with: chosen from what everybody likes, and kept until that has moved."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fan_model.drawing.artist import Artist
from fan_model.method.crowd_contrast import NOBODY, Crowd, choose_crowd
from fan_model.method.profiling import FloatArray, weighted_mean
from feature_store.history.population import scan_population
from feature_store.lake.lake import Lake
from feature_store.tables.crowds import CrowdRow, add_crowd, crowd_id, drop_crowd, read_crowd
from feature_store.tables.runs import Run
from feature_store.vectors.reference_store import ReferenceStore
from flows.settings import Settings
from flows.stages.recipes import crowd_recipe

TEXTS_ENCODED = 1_000
"""The most liked texts of a population, where each has to be encoded for the purpose."""


def pin_crowd(
    settings: Settings, lake: Lake, store: ReferenceStore, run: Run, *, renew: bool = False
) -> dict[str, int]:
    """Choose a crowd where there is none yet, or where another one is due (see `CrowdChange`).

    Args:
        settings: how many texts, of how many users at least, and how far is too far.
        lake: where interactions and crowds are.
        store: where the texts' vectors are.
        run: until when what is known counts.
        renew: choose another however little has moved.

    Returns:
        Counts: `crowd_texts` in use, 0 where the population is too small for a crowd; `crowd_renewed`, 0 or
        1. A crowd whose people have left goes, also where there are too few for another.
    """
    pinned = current_crowd(settings, lake, store.encoder_fingerprint, run.window_end)
    if pinned and not renew and not crowd_change(settings, lake, store, pinned, run.window_end).is_due:
        return {"crowd_texts": len(pinned), "crowd_renewed": 0}
    chosen = _choose(settings, lake, store, run)
    if chosen:
        add_crowd(lake, chosen)
    elif pinned:
        drop_crowd(lake, pinned[0].crowd_id)
    return {"crowd_texts": len(chosen), "crowd_renewed": int(bool(chosen))}


def choose_population_crowd(settings: Settings, artist: Artist, population: pa.Table) -> Crowd:
    """Choose a crowd from a population (see `scan_population`) whose vectors no store has."""
    some = population.slice(0, TEXTS_ENCODED)
    if some.num_rows < settings.crowd.size:
        return NOBODY
    texts = some["text"].to_pylist()
    vectors = artist.encode_texts(texts).unit_mean_tokens
    places, weights = choose_crowd(vectors, some["weight"].to_numpy(), settings.crowd.size)
    return Crowd(tuple(texts[place] for place in places), tuple(weights.tolist()))


def current_crowd(
    settings: Settings, lake: Lake, encoder_fingerprint: str, as_of: datetime
) -> Sequence[CrowdRow]:
    """Return the crowd that the settings' nights contrast with at a time; nothing if there is none."""
    return read_crowd(lake, recipe_digest=crowd_recipe(settings, encoder_fingerprint), as_of=as_of)


@dataclass(frozen=True, kw_only=True)
class CrowdChange:
    """What has changed since a crowd was chosen."""

    drift: float
    """How far what everybody likes has moved: 1 - cosine of the means, 0 to 2."""
    max_drift: float
    """How far it may."""
    num_thin: int
    """Texts of the crowd that fewer users like by now than must: who opted out or left is none of them."""

    @property
    def is_due(self) -> bool:
        """Whether the next night chooses another, or none if the population is too small for one by now."""
        return self.drift > self.max_drift or self.num_thin > 0


def crowd_change(
    settings: Settings, lake: Lake, store: ReferenceStore, pinned: Sequence[CrowdRow], as_of: datetime
) -> CrowdChange:
    """Compare what everybody likes with what they did when a crowd was chosen."""
    then, now = (
        scan_population(lake, as_of=time, least_users=settings.crowd.least_users)
        for time in (pinned[0].as_of, as_of)
    )
    # Asked for by themselves: a text that stands for a group need not be among the most liked.
    texts = [row.reference_id for row in pinned]
    liked = scan_population(lake, as_of=as_of, least_users=settings.crowd.least_users, texts=texts)
    return CrowdChange(
        drift=float(1 - _mean(store, then) @ _mean(store, now)),
        max_drift=settings.crowd.max_drift,
        num_thin=len(texts) - liked.num_rows,
    )


def is_another_due(
    settings: Settings, lake: Lake, store: ReferenceStore, pinned: Sequence[CrowdRow], as_of: datetime
) -> bool:
    """Tell whether the next night chooses another crowd, or the first."""
    if pinned:
        return crowd_change(settings, lake, store, pinned, as_of).is_due
    population = scan_population(lake, as_of=as_of, least_users=settings.crowd.least_users)
    return population.num_rows >= settings.crowd.size


def crowd_name(rows: Sequence[CrowdRow]) -> str | None:
    """Return the id of a crowd; None if there is none."""
    return rows[0].crowd_id if rows else None


def as_crowd(rows: Sequence[CrowdRow]) -> Crowd:
    """Write a stored crowd in the method's words."""
    return Crowd(tuple(row.text for row in rows), tuple(row.weight for row in rows))


def crowd_mean(store: ReferenceStore, rows: Sequence[CrowdRow]) -> FloatArray | None:
    """[d] weighted mean of a crowd's unit means of tokens; None if there is no crowd."""
    if not rows:
        return None
    vectors = store.gather([row.reference_id for row in rows]).unit_mean_tokens
    return weighted_mean(vectors, [row.weight for row in rows])


def _mean(store: ReferenceStore, population: pa.Table) -> FloatArray:
    """[d] unit mean of what a population likes; zeros for nobody, which is far from everything."""
    population = _with_vectors(store, population)
    if not population.num_rows:
        return np.zeros(store.width)
    vectors = store.gather(population["reference_id"].to_numpy()).unit_mean_tokens
    mean = weighted_mean(vectors, population["weight"].to_numpy())
    return mean / np.linalg.norm(mean)


def _with_vectors(store: ReferenceStore, population: pa.Table) -> pa.Table:
    """A population without texts that no night has embedded yet, as where an evaluation took items in."""
    missing = pa.array(store.missing(population["reference_id"].to_numpy()))
    return population.filter(pc.invert(pc.is_in(population["reference_id"], missing)))


def _choose(settings: Settings, lake: Lake, store: ReferenceStore, run: Run) -> list[CrowdRow]:
    snapshot_id = lake.snapshot_id()
    population = _with_vectors(
        store, scan_population(lake, as_of=run.window_end, least_users=settings.crowd.least_users)
    )
    if population.num_rows < settings.crowd.size:
        return []
    vectors = store.gather(population["reference_id"].to_numpy()).unit_mean_tokens
    places, weights = choose_crowd(vectors, population["weight"].to_numpy(), settings.crowd.size)
    texts = population.take(pa.array(places)).to_pylist()
    name = crowd_id([(text["reference_id"], weight) for text, weight in zip(texts, weights, strict=True)])
    return [
        CrowdRow(
            crowd_id=name,
            position=position,
            reference_id=text["reference_id"],
            text=text["text"],
            weight=float(weight),
            num_users=text["num_users"],
            as_of=run.window_end,
            recipe_digest=crowd_recipe(settings, store.encoder_fingerprint),
            run_id=run.run_id,
            snapshot_id=snapshot_id,
        )
        for position, (text, weight) in enumerate(zip(texts, weights, strict=True), start=1)
    ]
