"""What every variant of an evaluation shares: users, targets, histories, seeds and the model."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evaluation.peers.peer import Peer
from evaluation.protocol.design import StudyDesign, StudyOrigin
from fan_model.drawing.artist import Artist
from fan_model.method.crowd_contrast import NOBODY, Crowd
from fan_model.method.profiling import FloatArray, ReferenceVectors
from fan_model.request_errors import RequestError


class TooFewUsersError(ValueError):
    """The data set has too few users with enough history to compare them."""


@dataclass(frozen=True, kw_only=True)
class UserHistory:
    """References of one user, latest first."""

    texts: tuple[str, ...]
    weights: NDArray[np.float64]
    """Preference strengths, above 0."""
    event_times: NDArray[np.datetime64]
    """When the user last met each."""

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, places: NDArray[np.integer]) -> "UserHistory":
        """Some of the references, in the order of `places`."""
        return UserHistory(
            texts=tuple(self.texts[place] for place in places),
            weights=self.weights[places],
            event_times=self.event_times[places],
        )


@dataclass(frozen=True, kw_only=True)
class SampledUser:
    """One user of the sample."""

    user_key: int
    """Pseudonym: random, so that nothing may depend on it."""
    lot: int
    """A number that follows from the user's id: what stands for the user in random choices."""
    offered: UserHistory
    """What variants may select references from."""
    held_out: UserHistory
    """What pictures are measured against, and no variant sees."""
    disliked: tuple[str, ...] = ()
    """Negative evidence, the least liked first; only some peers look at it."""


@dataclass(frozen=True, kw_only=True)
class StudyTarget:
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

    design: StudyDesign
    origin: StudyOrigin
    artist: Artist
    """The registered model's."""
    users: tuple[SampledUser, ...]
    targets: tuple[StudyTarget, ...]
    crowd: Crowd = NOBODY
    """What everybody likes, to contrast with; empty where a population is too small."""
    peers: Mapping[str, Peer] = field(default_factory=dict)
    """The other methods that can draw with the model, by their names."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Why others cannot, by their names."""

    @cached_property
    def crowd_mean(self) -> FloatArray | None:
        """[w] weighted mean of the crowd's unit means of tokens; None if there is no crowd."""
        if not self.crowd:
            return None
        return self.vectors_of(self.crowd.texts).mean(self.crowd.weights).unit_mean_tokens[0]

    def vectors_of(self, texts: Sequence[str]) -> ReferenceVectors:
        """The model's two vectors of some of the study's texts."""
        return self._vectors[np.array([self._places[text] for text in texts], np.int64)]

    @cached_property
    def _places(self) -> dict[str, int]:
        texts = [target.text for target in self.targets]
        for user in self.users:
            texts += [*user.offered.texts, *user.held_out.texts]
        texts += self.crowd.texts
        return {text: place for place, text in enumerate(dict.fromkeys(texts))}

    @cached_property
    def _vectors(self) -> ReferenceVectors:
        return self.artist.encode_texts(list(self._places))


def build_study(
    design: StudyDesign,
    origin: StudyOrigin,
    artist: Artist,
    *,
    histories: pa.Table,
    targets: pa.Table,
    disliked: pa.Table | None = None,
    crowd: Crowd = NOBODY,
    peers: Mapping[str, Peer] | None = None,
    left_out: Mapping[str, str] | None = None,
) -> Study:
    """Split each user's history into what variants may select from and what pictures are measured against.

    Args:
        design: how.
        origin: for the rows that come of it.
        artist: the model.
        histories: `user_key`, `lot`, `text`, `weight`, `last_event_time`, strictly before the user's targets;
            all of a user's together, in the order of the users' ids, latest first.
        targets: `user_key`, `item_id`, `target_text`, `seed`; those of users with too little history are left
            out, and so is any text that the model takes from nobody.
        disliked: `user_key`, `text`, the least liked first; for users who have none, or if not given, the
            least liked of what variants may select from stand in.
        crowd: what everybody likes, to contrast with.
        peers: the other methods, by their names.
        left_out: why others cannot draw with the model.

    Raises:
        TooFewUsersError: if fewer than two users have enough history.
    """
    avoided = _by_user(_readable(artist, disliked, "text")) if disliked is not None else {}
    users = tuple(
        replace(user, disliked=avoided.get(user.user_key) or least_liked(user.offered))
        for user in _users(design, _readable(artist, histories, "text"))
    )
    if len(users) < 2:
        raise TooFewUsersError(
            f"sample {design.sample} has {len(users)} users with {design.min_history} references before "
            "their targets, and two are needed: lower evaluation.min_history or evaluation.sample, or add "
            "data"
        )
    return Study(
        design=design,
        origin=origin,
        artist=artist,
        users=users,
        targets=tuple(_targets(users, _readable(artist, targets, "target_text"))),
        crowd=crowd,
        peers=peers or {},
        left_out=left_out or {},
    )


def least_liked(history: UserHistory) -> tuple[str, ...]:
    """The references of less than the history's median weight, the least liked first, latest among equals.

    There are none where all weights are equal: nothing then says that anything is liked less.
    """
    below = np.flatnonzero(history.weights < np.median(history.weights))
    order = below[np.argsort(history.weights[below], kind="stable")]
    return tuple(history.texts[place] for place in order)


def _by_user(rows: pa.Table) -> dict[int, tuple[str, ...]]:
    """The texts of each user, in their order."""
    texts: dict[int, list[str]] = {}
    for row in rows.to_pylist():
        texts.setdefault(row["user_key"], []).append(row["text"])
    return {user_key: tuple(own) for user_key, own in texts.items()}


def random_numbers(seed: int, *names: str) -> np.random.Generator:
    """Random numbers that depend on the seed and the names alone."""
    digest = hashlib.sha256("\x1f".join((str(seed), *names)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def _readable(artist: Artist, rows: pa.Table, column: str) -> pa.Table:
    """Leave out rows whose text the model would refuse, such as one that is too long."""
    texts = rows[column].to_pylist()
    return rows.filter(pa.array([_takes(artist, text) for text in texts], pa.bool_()))


def _takes(artist: Artist, text: str) -> bool:
    try:
        artist.limits.parse_request({"prompt": text})
    except RequestError:
        return False
    return True


def _users(design: StudyDesign, histories: pa.Table) -> Iterator[SampledUser]:
    """Yield each user who has enough history, in the order in which they come."""
    keys = histories["user_key"].to_numpy()
    starts = np.flatnonzero(np.diff(keys, prepend=keys[:1] - 1))
    sizes = np.diff(starts, append=len(keys))
    for start, size in zip(starts, sizes, strict=True):
        rows = histories.slice(start, min(size, design.max_history))
        if rows.num_rows >= design.min_history:
            yield _split(design, rows)


def _split(design: StudyDesign, rows: pa.Table) -> SampledUser:
    """Hold out a part of a history at random; each part keeps its order."""
    user_key, lot = rows["user_key"][0].as_py(), rows["lot"][0].as_py()
    history = UserHistory(
        texts=tuple(rows["text"].to_pylist()),
        weights=rows["weight"].to_numpy(),
        event_times=rows["last_event_time"].to_numpy(),
    )
    num_held_out = min(max(1, round(design.held_out * len(history))), len(history) - 1)
    order = random_numbers(design.seed, "held out", str(lot)).permutation(len(history))
    return SampledUser(
        user_key=user_key,
        lot=lot,
        offered=history.take(np.sort(order[num_held_out:])),
        held_out=history.take(np.sort(order[:num_held_out])),
    )


def _targets(users: Sequence[SampledUser], targets: pa.Table) -> Iterator[StudyTarget]:
    owners = {user.user_key: place for place, user in enumerate(users)}
    for row in targets.to_pylist():
        if row["user_key"] in owners:
            yield StudyTarget(
                owner=owners[row["user_key"]],
                item_id=row["item_id"],
                text=row["target_text"],
                seed=row["seed"],
            )
