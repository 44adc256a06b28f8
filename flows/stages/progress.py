"""How far a night's drawing is: a bar on a terminal, a line from time to time in a log."""

import sys
import time
from collections.abc import Callable
from typing import TextIO

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 60.0


class DrawingProgress:
    """Tells how many pictures are done, how many a second, and how long the rest will take.

    Args:
        total: Pictures of this task.
        about: Which task it is, such as the number of its bucket.
        output: Where it is told.
        clock: Seconds, from any moment on.
    """

    def __init__(
        self,
        total: int,
        about: str = "",
        *,
        output: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total, self._about, self._clock = total, about, clock
        self._output = output or sys.stderr
        self._done, self._began = 0, clock()
        self._told = self._began
        is_terminal = self._output.isatty()
        name = f"generate {about}".strip()
        self._bar = tqdm(total=total, desc=name, unit="picture", file=self._output) if is_terminal else None

    def advance(self, number: int) -> None:
        """Take note of pictures that are done."""
        self._done += number
        if self._bar is not None:
            self._bar.update(number)
        elif self._clock() - self._told >= SECONDS_BETWEEN_LINES:
            self._told = self._clock()
            print(self.line(), file=self._output, flush=True)

    def line(self) -> str:
        """Pictures that are done, pictures per second, time left."""
        rate = self._done / max(self._clock() - self._began, 1e-9)
        left = (self._total - self._done) / rate / 60 if rate else float("inf")
        about = f" ({self._about})" if self._about else ""
        done = f"generate{about}: {self._done:,} of {self._total:,} pictures"
        return f"{done}, {rate:.2f} a second, {left:.0f} min left"

    def close(self) -> None:
        """Leave the terminal to others."""
        if self._bar is not None:
            self._bar.close()
