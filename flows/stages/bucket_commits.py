"""Many buckets in one commit, by one process, in the buckets' order, in whichever order they are done."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from tqdm import tqdm

from flows.stages.task_map import Counts

BUCKETS_PER_COMMIT = 16
"""What a crash can cost: to read these buckets again. No picture of theirs is drawn again."""


@dataclass(frozen=True)
class FinishedBucket:
    """A bucket whose rows are in files."""

    number: int
    counts: Counts = field(default_factory=dict)
    """What rows do not tell."""


class BucketCommits:
    """Commits buckets as they are done: in order, so that the same rows follow from the same work.

    Args:
        numbers: of all buckets, in order.
        commit: writes the rows of some buckets in one transaction, and counts them.
    """

    def __init__(self, numbers: Sequence[int], commit: Callable[[Sequence[int]], Counts]) -> None:
        self._left = list(reversed(numbers))
        self._commit = commit
        self._done: set[int] = set()
        self._ready: list[int] = []
        self.counts: Counter[str] = Counter()

    def add(self, bucket: FinishedBucket) -> None:
        """Take a bucket that is done; commit if there are enough whose turn it is."""
        self._done.add(bucket.number)
        self.counts.update(bucket.counts)
        while self._left and self._left[-1] in self._done:
            self._ready.append(self._left.pop())
            if len(self._ready) == BUCKETS_PER_COMMIT:
                self.finish()

    def finish(self) -> None:
        """Commit those whose turn it is."""
        if self._ready:
            self.counts.update(self._commit(self._ready))
            self._ready = []

    def stop(self) -> None:
        """Commit all that are done, for the others will not be."""
        self._ready += sorted(self._done & set(self._left))
        self._left = []
        self.finish()


def commit_buckets(
    finished: Iterable[FinishedBucket],
    numbers: Sequence[int],
    commit: Callable[[Sequence[int]], Counts],
    *,
    name: str,
) -> Counts:
    """Commit buckets while they are being done; what is done is kept if one of them cannot be.

    Args:
        finished: the buckets, in the order in which they are done.
        numbers: of all of them, in order.
        commit: writes the rows of some buckets in one transaction, and counts them.
        name: of the stage, beside its progress.

    Returns:
        What was counted, added up.
    """
    commits = BucketCommits(numbers, commit)
    try:
        for bucket in tqdm(
            finished, desc=name, total=len(numbers), unit="bucket", disable=not numbers or None
        ):
            commits.add(bucket)
    except Exception:
        commits.stop()
        raise
    commits.finish()
    return dict(commits.counts)
