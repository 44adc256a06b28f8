"""The one way from requests to picture files, for the night and for evaluations.

A picture's file is named by the digest of all that the picture is made of, so each is drawn once.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from fan_model.drawing.artist import (
    Artist,
    Artwork,
    ArtworkRequest,
    DrawingOptions,
    Undrawn,
)
from feature_store.lake.stored_files import StoredFiles

REFUSED = "the text filter refused a text, or the pipeline's safety checker the picture"
WRITING_THREADS = 4
"""Threads that write files: each waits until the disk has one."""


@dataclass(frozen=True)
class DrawingOutcome:
    """What became of one request: its file, or the reason why there is none."""

    status: Literal["generated", "flagged", "failed"]
    reason: str | None = None
    """None if there is a file."""


GENERATED, FLAGGED = DrawingOutcome("generated"), DrawingOutcome("flagged", REFUSED)


@dataclass(frozen=True, kw_only=True)
class PictureFiles:
    """Pictures in a folder of the workspace, and the registered model's artist who draws them."""

    artist: Artist
    files: StoredFiles
    folder: str
    image_format: str
    """Suffix of the files."""
    notes_refusals: bool = False
    """Leave an empty file for a picture that was refused, so that it is not asked for again."""

    def digest(self, request: ArtworkRequest, options: DrawingOptions) -> str:
        """Digest all that a picture is made of."""
        return self.artist.digest(request, options)

    def path(self, digest: str) -> str:
        """Name the file of a picture; folders of two letters keep each of them small."""
        return f"{self.folder}/{digest[:2]}/{digest}.{self.image_format}"

    def is_known(self, digest: str) -> bool:
        """Tell whether there is a file, so that the artist need not be asked."""
        return self.files.size(self.path(digest)) is not None

    def read(self, digest: str) -> bytes | None:
        """Read a picture's file; None for one that was refused, or that could not be drawn."""
        return self.files.read(self.path(digest)) or None

    def draw(
        self, requests: Mapping[str, ArtworkRequest], options: DrawingOptions
    ) -> dict[str, DrawingOutcome]:
        """Draw pictures into their files; a request that the artist cannot serve fails alone.

        Args:
            requests: by the digests of their pictures, which no profiling changes any more.
            options: hold for all of them.

        Raises:
            FileAccessError: if a file cannot be written.
        """
        if not requests:
            return {}
        try:
            return self._draw(requests, options)
        except ValueError as error:
            if len(requests) == 1:
                return dict.fromkeys(requests, DrawingOutcome("failed", str(error).splitlines()[0]))
            singles = (self.draw({digest: request}, options) for digest, request in requests.items())
            return {digest: outcome for single in singles for digest, outcome in single.items()}

    def keep(self, digest: str, content: bytes) -> None:
        """Keep the file of a picture that was not asked for here; empty: it was refused.

        Raises:
            FileAccessError: if it cannot be written.
        """
        if content or self.notes_refusals:
            self.files.write(self.path(digest), content)

    def _draw(
        self, requests: Mapping[str, ArtworkRequest], options: DrawingOptions
    ) -> dict[str, DrawingOutcome]:
        """Draw, and let threads write files while the artist draws what follows."""
        digests = list(requests)
        with ThreadPoolExecutor(WRITING_THREADS, thread_name_prefix="write-picture") as writers:
            written = {
                place: writers.submit(self._keep, digests[place], artwork)
                for place, artwork in self.artist.draw_as_done(list(requests.values()), options)
            }
        return {digest: written[place].result() for place, digest in enumerate(digests)}

    def _keep(self, digest: str, artwork: Artwork | Undrawn) -> DrawingOutcome:
        if isinstance(artwork, Undrawn):
            return DrawingOutcome("failed", str(artwork))
        if artwork.artwork_digest != digest:
            raise RuntimeError(f"the artist drew {artwork.artwork_digest}, but {digest} was asked for")
        self.keep(digest, artwork.image)
        return FLAGGED if artwork.flagged else GENERATED
