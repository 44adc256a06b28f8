from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fan_model.encoders.key_value_cache import KeyValueCache
from fan_model.encoders.personalized_encoders import Stream

STREAM_BYTES = 24


def stream(value):
    return Stream(0, torch.full((2,), float(value)), torch.zeros(2), torch.zeros(2))


class Recorder:
    """Records streams named by integers, and remembers what it was asked for."""

    def __init__(self):
        self.asked = []

    def __call__(self, keys):
        self.asked += keys
        return [stream(key) for key in keys]


def test_a_text_is_recorded_once():
    cache, record = KeyValueCache(10 * STREAM_BYTES), Recorder()
    cache.get([1, 2, 1], record)
    cache.get([2, 3], record)
    assert record.asked == [1, 2, 3]


def test_the_least_recently_used_stream_goes_first():
    cache, record = KeyValueCache(2 * STREAM_BYTES), Recorder()
    for keys in ([1], [2], [1], [3], [1], [2]):
        cache.get(keys, record)
    assert record.asked == [1, 2, 3, 2]


def test_a_cache_without_room_still_answers():
    cache, record = KeyValueCache(0), Recorder()
    assert cache.get([1, 2], record)[2].start[0] == 2
    assert len(cache) == cache.num_bytes == 0


def test_a_negative_budget_is_refused():
    with pytest.raises(ValueError, match="max_bytes is -1"):
        KeyValueCache(-1)


@settings(deadline=None)
@given(st.integers(0, 6), st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=12))
def test_the_budget_holds_and_every_answer_is_right(room, requests):
    cache = KeyValueCache(room * STREAM_BYTES)
    for keys in requests:
        found = cache.get(keys, Recorder())
        assert {key: int(found[key].start[0]) for key in keys} == {key: key for key in keys}
        assert cache.num_bytes == len(cache) * STREAM_BYTES <= cache.max_bytes


def test_threads_share_a_cache_and_its_accounts_stay_right():
    cache = KeyValueCache(5 * STREAM_BYTES)

    def work(seed):
        keys = torch.randint(0, 12, (4,), generator=torch.Generator().manual_seed(seed)).tolist()
        return all(int(cache.get(keys, Recorder())[key].start[0]) == key for key in keys)

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(400)))
    assert cache.num_bytes == len(cache) * STREAM_BYTES <= cache.max_bytes
