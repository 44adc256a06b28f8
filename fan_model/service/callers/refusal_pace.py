"""Refusals at a pace: reading what is refused takes time, too, and who asks on and on would take it all."""

import asyncio
import time

REFUSALS_PER_SECOND = 50.0
AT_ONCE = 20
"""Refusals that a caller gets without waiting, after a while without any."""
LONGEST_HOLD = 5.0
"""Seconds; nobody is kept longer to be refused: with what they have waited for already it is less than the 60
after which MLflow's server hangs up."""


class RefusalPace:
    """Holds refusals back from a caller who earns more of them than fifty a second."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}
        """When each caller's last refusal was due."""

    async def hold(self, caller: str) -> None:
        """Wait until this caller's next refusal is due."""
        await asyncio.sleep(self.delay(caller, time.monotonic()))

    def delay(self, caller: str, now: float) -> float:
        """Take the caller's next place; return the seconds until it is due.

        Args:
            caller: Who is refused.
            now: Seconds of a clock that only goes forward.
        """
        earliest = now - AT_ONCE / REFUSALS_PER_SECOND
        self._due = {name: due for name, due in self._due.items() if due > earliest}
        due = max(self._due.get(caller, earliest), earliest) + 1 / REFUSALS_PER_SECOND
        self._due[caller] = due
        return min(max(due - now, 0.0), LONGEST_HOLD)
