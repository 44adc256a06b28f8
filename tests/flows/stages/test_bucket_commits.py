"""Many buckets in one commit, in their order, and what is done is kept."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.stages.bucket_commits import BUCKETS_PER_COMMIT, FinishedBucket, commit_buckets


def commit_all(numbers, done, commits):
    def commit(some):
        commits.append(list(some))
        return {"rows": len(some)}

    finished = (FinishedBucket(number, {"plain": 1}) for number in done)
    return commit_buckets(finished, numbers, commit, name="test")


@given(num_buckets=st.integers(0, 200), seed=st.integers(0, 99))
def test_each_bucket_is_committed_once_in_order_and_sixteen_together(num_buckets, seed):
    numbers, commits = list(range(0, 2 * num_buckets, 2)), []
    done = random.Random(seed).sample(numbers, num_buckets)
    counts = commit_all(numbers, done, commits)
    assert [number for some in commits for number in some] == numbers
    assert all(len(some) == BUCKETS_PER_COMMIT for some in commits[:-1])
    assert counts == ({"plain": num_buckets, "rows": num_buckets} if num_buckets else {})


def test_what_is_done_is_committed_before_a_stop_is_told():
    def fail_at_the_third():
        yield from (0, 2)
        raise ValueError("no third")

    commits = []
    with pytest.raises(ValueError, match="no third"):
        commit_all([0, 1, 2, 3], fail_at_the_third(), commits)
    assert commits == [[0, 2]]
