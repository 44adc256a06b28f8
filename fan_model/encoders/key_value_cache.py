"""Keys and values of texts: what an encoder recorded of a text, within a byte budget, shared by all users."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol, TypeVar


class Recorded(Protocol):
    """What is kept of a text."""

    @property
    def num_bytes(self) -> int:
        """Memory that it holds."""


Key = TypeVar("Key", bound=Hashable)
Kept = TypeVar("Kept", bound=Recorded)


class KeyValueCache:
    """Least-recently-used streams within a budget of bytes; safe to share between threads.

    A stream that is evicted while somebody works with it lives on until they let it go.
    """

    def __init__(self, max_bytes: int) -> None:
        if max_bytes < 0:
            raise ValueError(f"max_bytes is {max_bytes}; it must be at least 0")
        self.max_bytes = max_bytes
        self.num_bytes = 0
        self._streams: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._streams)

    def get(self, keys: Sequence[Key], record: Callable[[Sequence[Key]], Sequence[Kept]]) -> dict[Key, Kept]:
        """The streams of `keys`; those not in the cache are recorded, all in one call of `record`."""
        with self._lock:
            found = {key: self._touch(key) for key in dict.fromkeys(keys) if key in self._streams}
        missing = [key for key in dict.fromkeys(keys) if key not in found]
        if missing:
            recorded = dict(zip(missing, record(missing), strict=True))
            with self._lock:
                for key, stream in recorded.items():
                    self._keep(key, stream)
            found |= recorded
        return found

    def _touch(self, key: Hashable) -> Any:  # noqa: ANN401 - what the same caller recorded
        self._streams.move_to_end(key)
        return self._streams[key]

    def _keep(self, key: Hashable, stream: Recorded) -> None:
        if key in self._streams:
            return
        self._streams[key] = stream
        self.num_bytes += stream.num_bytes
        while self.num_bytes > self.max_bytes:
            _, oldest = self._streams.popitem(last=False)
            self.num_bytes -= oldest.num_bytes
