"""The service behind its endpoints: reads rows, queues pictures, and knows whether it is ready."""

import asyncio
import time
from dataclasses import replace

from fan_model.drawing.artist import Artist
from fan_model.drawing.limits import PUBLIC_NAMES, refuse_unknown
from fan_model.drawing.requests import DrawingOptions
from fan_model.request_errors import RequestError
from fan_model.service.callers.bearer_tokens import BearerTokens, Caller
from fan_model.service.callers.refusal_pace import RefusalPace
from fan_model.service.deployment import Deployment, call_hook
from fan_model.service.drawing_queue import DrawingQueue
from fan_model.service.messages.answers import Answer, tell
from fan_model.service.messages.payloads import Payload, Row
from fan_model.service.messages.request_rows import (
    NoStoredProfilesError,
    ReadRow,
    StoredProfiles,
    look_up,
    read_request,
)
from fan_model.service.night_pictures import StoredPictures
from fan_model.service.service_metrics import ServiceMetrics

OPTION_NAMES = tuple(PUBLIC_NAMES.get(name, name) for name in DrawingOptions.__dataclass_fields__)
"""Options by the names that callers know them by."""

ANYBODY = Caller(name="anybody")
NOBODY = "nobody"
"""A user to look up, to see whether profiles can be read; whether there is such a user does not matter."""


class ArtworkService:
    """Draws what payloads ask for, in batches and within the deployment's limits.

    Args:
        artist: Who draws.
        deployment: How large the queue may become, how pictures are drawn where a request does not say, and
            where stored profiles are looked up.
    """

    def __init__(self, artist: Artist, deployment: Deployment) -> None:
        self.options = deployment.options
        """How pictures are drawn where a request does not say."""
        # More rows than the queue has room for would be told to try again for ever.
        max_rows = min(artist.limits.max_rows, deployment.max_queued_pictures)
        self.limits = replace(artist.limits, max_rows=max_rows)
        """What a request may ask for."""
        self.queue = DrawingQueue(
            artist,
            max_pictures=deployment.max_queued_pictures,
            max_seconds=deployment.max_wait_seconds,
        )
        self.metrics = ServiceMetrics(lambda: self.queue.num_owed)
        self.tokens = BearerTokens(deployment.tokens_file, deployment.caller_header)
        """Who may ask."""
        self.refusal_pace = RefusalPace()
        hook, pictures = deployment.stored_profiles, deployment.stored_pictures
        self._stored_profiles: StoredProfiles | None = None if hook is None else call_hook(hook)
        self.stored_pictures: StoredPictures | None = None if pictures is None else call_hook(pictures)
        """Finds what nights have drawn."""

    @property
    def artist(self) -> Artist:
        """Who draws."""
        return self.queue.artist

    async def draw(
        self, payload: Payload, options_key: str, caller: Caller = ANYBODY, waited: float = 0.0
    ) -> list[Answer]:
        """Draw one picture per row, in order.

        Args:
            payload: What is asked for.
            options_key: What the caller calls the options.
            caller: Who asks.
            waited: Seconds that the caller has waited for already: a body that came slowly counts.

        Raises:
            RequestError: A row or an option is refused, there is no room or no time for so many pictures, or
                stored profiles are needed and cannot be read.
        """
        try:
            answers = await self._draw(payload, options_key, caller, time.monotonic() - waited)
        except RequestError:
            self.metrics.count_refused(len(payload.rows))
            raise
        self.metrics.count_artworks(answers)
        return answers

    async def check_ready(self) -> None:
        """Make sure that any good request could be answered now.

        Raises:
            NoStoredProfilesError: The stored profiles cannot be read.
        """
        if self._stored_profiles is None:
            return
        try:
            await asyncio.to_thread(look_up, self._stored_profiles, NOBODY, NOBODY)
        except NoStoredProfilesError:
            raise NoStoredProfilesError(
                "the stored profiles cannot be read, and the log says where it failed: only requests with "
                "references are answered"
            ) from None

    async def close(self) -> None:
        """Let the batch that is being drawn come to its end, and draw no more."""
        await asyncio.to_thread(self.queue.close)

    async def _draw(self, payload: Payload, options_key: str, caller: Caller, started: float) -> list[Answer]:
        caller.check_users(payload.rows)
        options = self._read_options(payload.options, options_key)
        rows = await asyncio.to_thread(self._read_rows, payload.rows)
        requests = [row.request for row in rows]
        self.artist.check(requests, options)
        artworks = await self.queue.draw(
            requests,
            options,
            caller=caller.name,
            max_pictures=caller.max_queued_pictures,
            seconds=self.queue.max_seconds - (time.monotonic() - started),
        )
        return await asyncio.to_thread(tell, self.artist, artworks, rows)

    def _read_options(self, values: Row, options_key: str) -> DrawingOptions:
        refuse_unknown(options_key, values, OPTION_NAMES)
        return self.artist.complete(self.limits.parse_options(values, self.artist.sides, self.options))

    def _read_rows(self, rows: list[Row]) -> list[ReadRow]:
        """What all rows ask for; where there are several, a refusal says which row it is about."""
        read = []
        for number, row in enumerate(rows, start=1):
            try:
                read.append(self._read_row(row))
            except RequestError as error:
                where = f"row {number}: " if len(rows) > 1 else ""
                raise type(error)(f"{where}{error}") from None
        return read

    def _read_row(self, row: Row) -> ReadRow:
        return read_request(row, self.limits, self._stored_profiles)
