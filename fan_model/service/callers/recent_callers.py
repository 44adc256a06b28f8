"""What each caller asked for last: remembered for a while, so that others do not keep them waiting long."""

import math
import time
from collections.abc import Iterable
from heapq import nsmallest

import numpy as np

from fan_model.service.callers.drawing_costs import DrawingCosts

REMEMBERED_SECONDS = 60.0


class RecentCallers:
    """Callers of the last minute, and the work of what each of them asked for last.

    Args:
        costs: What work takes, as far as it is known.
    """

    def __init__(self, costs: DrawingCosts) -> None:
        self._costs = costs
        self._asked: dict[str, tuple[float, np.ndarray]] = {}

    def note(self, caller: str, work: np.ndarray) -> None:
        """Note that a caller asks, and forget who has not asked for a minute."""
        now = time.monotonic()
        kept = self._asked.items()
        self._asked = {name: last for name, last in kept if now - last[0] < REMEMBERED_SECONDS}
        self._asked[caller] = now, work

    def shares(self, callers: Iterable[str]) -> dict[str, float]:
        """Seconds that each caller may have of a batch: what the smallest of the others' last requests takes.

        Infinite for whoever is alone.
        """
        now = time.monotonic()
        recent = (item for item in self._asked.items() if now - item[1][0] < REMEMBERED_SECONDS)
        smallest = nsmallest(2, ((self._costs.take(work), name) for name, (_, work) in recent))
        return {
            caller: next((seconds for seconds, name in smallest if name != caller), math.inf)
            for caller in callers
        }
