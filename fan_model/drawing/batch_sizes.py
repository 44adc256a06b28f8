"""How many pictures fit into the memory of a device: tried out, and remembered."""

import json
import logging
import os
import threading
from numbers import Integral
from pathlib import Path

from fan_model.request_errors import RequestError

logger = logging.getLogger(__name__)


class BatchSize:
    """Pictures drawn at a time; halved each time memory runs out. May be shared between threads.

    Args:
        first: Pictures at a time, as long as they fit.
        file: JSON file in which sizes are remembered, by `key`; none: as long as the process lives.
        key: What they were found out for: the model and the device.

    Raises:
        RequestError: So many pictures cannot be drawn at a time.
    """

    def __init__(self, first: int, file: Path | None = None, key: str = "") -> None:
        most = _checked(first)
        self._file, self._key = file, key
        self._lock = threading.Lock()
        self._size = min(most, self._remembered().get(key, most))

    @property
    def size(self) -> int:
        """Pictures at a time."""
        return self._size

    def halve(self, tried: int) -> None:
        """Take half of so many from now on, which did not fit; a single picture stays one."""
        with self._lock:
            if tried < 2 or self._size < tried // 2:
                return
            self._size = tried // 2
            logger.warning("%d pictures do not fit into memory: %d are drawn at a time", tried, self._size)
            self._remember()

    def _remembered(self) -> dict[str, int]:
        try:
            sizes: dict[str, int] = json.loads(self._file.read_text()) if self._file else {}
        except (OSError, ValueError):
            return {}
        return {name: size for name, size in sizes.items() if isinstance(size, int) and size > 0}

    def _remember(self) -> None:
        if self._file is None:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        aside = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        aside.write_text(json.dumps(self._remembered() | {self._key: self._size}))
        os.replace(aside, self._file)


def _checked(number: object) -> int:
    if not isinstance(number, Integral) or isinstance(number, bool) or number < 1:
        raise RequestError("batch_size must be a whole number of at least 1")
    return int(number)
