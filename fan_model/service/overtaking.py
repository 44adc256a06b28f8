"""A picture that takes long, and quick ones of others that are drawn in its breaks."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from fan_model.encoders.breaks import with_breaks

Drawn = TypeVar("Drawn")


class NobodyWaitsError(RuntimeError):
    """Whoever wanted the pictures has left; drawing them ended at the next break."""


@dataclass(frozen=True)
class Timed(Generic[Drawn]):
    """What came of drawing, and how long that took without the breaks."""

    drawn: Drawn | Exception
    seconds: float


class Overtaking:
    """Lets one thread draw while another one takes a break, so that never two draw at a time.

    Two threads on one device would slow each other down more than by half.
    """

    def __init__(self) -> None:
        self._device = threading.Lock()
        """Held by who draws."""
        self._is_free = threading.Event()
        """Whether nobody waits to overtake."""
        self._is_free.set()

    def draw(self, draw: Callable[[], Drawn], is_wanted: Callable[[], bool]) -> Timed[Drawn]:
        """Draw, and let who overtakes go first at each break.

        Args:
            draw: What takes breaks.
            is_wanted: Whether anybody still waits; if not, the next break is the end.
        """
        seconds_of_breaks = 0.0

        def step_aside() -> None:
            nonlocal seconds_of_breaks
            if not is_wanted():
                raise NobodyWaitsError("nobody waits for these pictures any more")
            if self._is_free.is_set():
                return
            began = time.monotonic()
            self._device.release()
            try:
                self._is_free.wait()
            finally:
                self._device.acquire()
            seconds_of_breaks += time.monotonic() - began

        with self._device, with_breaks(step_aside):
            timed = _time(draw)
        return Timed(timed.drawn, timed.seconds - seconds_of_breaks)

    def overtake(self, draw: Callable[[], Drawn]) -> Timed[Drawn]:
        """Draw at the next break of what is being drawn."""
        self._is_free.clear()
        try:
            with self._device:
                return _time(draw)
        finally:
            self._is_free.set()


def _time(draw: Callable[[], Drawn]) -> Timed[Drawn]:
    started = time.monotonic()
    drawn: Drawn | Exception
    try:
        drawn = draw()
    except Exception as error:
        drawn = error
    return Timed(drawn, time.monotonic() - started)
