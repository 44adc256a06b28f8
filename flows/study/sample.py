"""What every variant of an evaluation shares: users, targets, histories, seeds and the model."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fan_model.drawing.artist import Artist
from fan_model.method.profiling import ReferenceVectors
from feature_store.history.histories import scan_histories
from feature_store.lake.lake import Lake
from feature_store.tables.evaluations import sample_users, scan_reference_texts, scan_target_texts
from feature_store.tables.runs import Run
from feature_store.tables.targets import scan_latest_items
from flows.model.champion import Champion
from flows.settings import Evaluation, Settings
from flows.stages.recipes import item_seed


class TooFewUsersError(ValueError):
    """The data set has too few users with enough history to compare them."""


@dataclass(frozen=True, kw_only=True)
class History:
    """References of one user, latest first."""

    texts: tuple[str, ...]
    weights: NDArray[np.float64]
    """Preference strengths, above 0."""
    event_times: NDArray[np.datetime64]
    """When the user last met each."""

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, places: NDArray[np.integer]) -> "History":
        """Some of the references, in the order of `places`."""
        return History(
            texts=tuple(self.texts[place] for place in places),
            weights=self.weights[places],
            event_times=self.event_times[places],
        )


@dataclass(frozen=True, kw_only=True)
class User:
    """One user of the sample."""

    user_id: str
    offered: History
    """What variants may select references from."""
    held_out: History
    """What pictures are measured against, and no variant sees."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """One picture that every variant draws."""

    owner: int
    """Place of the user among the users."""
    item_id: str
    text: str
    """The prompt."""
    seed: int


@dataclass(frozen=True, kw_only=True)
class Study:
    """The sample of users and the model, the same for all variants."""

    settings: Settings
    champion: Champion
    users: tuple[User, ...]
    targets: tuple[Target, ...]
    snapshot_id: int
    """Of the lake, as it was read."""

    @property
    def artist(self) -> Artist:
        """The registered model's artist."""
        return self.champion.artist

    def vectors_of(self, texts: Sequence[str]) -> ReferenceVectors:
        """The model's two vectors of some of the study's texts."""
        return self._vectors[np.array([self._places[text] for text in texts], np.int64)]

    @cached_property
    def _places(self) -> dict[str, int]:
        texts = [target.text for target in self.targets]
        for user in self.users:
            texts += [*user.offered.texts, *user.held_out.texts]
        return {text: place for place, text in enumerate(dict.fromkeys(texts))}

    @cached_property
    def _vectors(self) -> ReferenceVectors:
        return self.artist.encode_texts(list(self._places))


def build_study(settings: Settings, lake: Lake, champion: Champion, run: Run) -> Study:
    """Draw the sample of users, their latest targets and the history strictly before these.

    Raises:
        TooFewUsersError: if fewer than two users have enough history.
    """
    targets = _scan_targets(settings.evaluation, lake, run)
    histories = _scan_histories(lake, run, targets)
    users = tuple(_users(settings, histories))
    if len(users) < 2:
        raise TooFewUsersError(
            f"sample {settings.evaluation.sample} has {len(users)} users with "
            f"{settings.evaluation.min_history} references before their targets, and two are needed: "
            "lower evaluation.min_history or evaluation.sample, or add data"
        )
    return Study(
        settings=settings,
        champion=champion,
        users=users,
        targets=tuple(_targets(settings, users, scan_target_texts(lake, targets))),
        snapshot_id=lake.snapshot_id(),
    )


def random_numbers(settings: Settings, *names: str) -> np.random.Generator:
    """Random numbers that depend on the settings' seed and the names alone."""
    digest = hashlib.sha256("\x1f".join((str(settings.seed), *names)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def _scan_targets(evaluation: Evaluation, lake: Lake, run: Run) -> pa.Table:
    users = sample_users(
        lake,
        num_users=evaluation.max_users,
        sample=evaluation.sample,
        least_items=evaluation.targets_per_user + evaluation.min_history,
        known_before=run.window_end,
    )
    return scan_latest_items(lake, run, users, num_targets=evaluation.targets_per_user)


def _scan_histories(lake: Lake, run: Run, targets: pa.Table) -> pa.Table:
    """Each user's history before the earliest of the targets, by user, latest first."""
    firsts = targets.filter(pa.compute.equal(targets["rank"], 1)).sort_by("user_id")
    pairs = firsts.append_column("pair_number", pa.array(np.arange(firsts.num_rows)))
    histories = scan_histories(lake, pairs, known_before=run.window_end)
    return scan_reference_texts(
        lake, pairs=pairs, histories=histories, targets=targets, known_before=run.window_end
    )


def _users(settings: Settings, histories: pa.Table) -> Iterator[User]:
    """Split the history of each user who has enough into what is offered and what is held out."""
    evaluation = settings.evaluation
    user_ids, starts, sizes = np.unique(
        histories["user_id"].to_numpy(zero_copy_only=False), return_index=True, return_counts=True
    )
    for user_id, start, size in zip(user_ids, starts, sizes, strict=True):
        rows = histories.slice(start, min(size, evaluation.max_history))
        if rows.num_rows < evaluation.min_history:
            continue
        history = History(
            texts=tuple(rows["text"].to_pylist()),
            weights=rows["weight"].to_numpy(),
            event_times=rows["last_event_time"].to_numpy(),
        )
        num_held_out = min(max(1, round(evaluation.held_out * len(history))), len(history) - 1)
        order = random_numbers(settings, "held out", user_id).permutation(len(history))
        yield User(
            user_id=str(user_id),
            offered=history.take(np.sort(order[num_held_out:])),
            held_out=history.take(np.sort(order[:num_held_out])),
        )


def _targets(settings: Settings, users: Sequence[User], texts: pa.Table) -> Iterator[Target]:
    owners = {user.user_id: place for place, user in enumerate(users)}
    for row in texts.to_pylist():
        if row["user_id"] in owners:
            yield Target(
                owner=owners[row["user_id"]],
                item_id=row["item_id"],
                text=row["target_text"],
                seed=item_seed(settings, row["item_id"]),
            )
