"""How items' own pictures look, in words that templates may name: `fan describe`.

It runs beside nights, and holds none up: a night reads the styles that are there when it renders its texts.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from filelock import FileLock, Timeout
from PIL import Image
from tqdm import tqdm

from fan_model.describing.describer import Describer, Description
from fan_model.describing.model_folder import DescriberError, describer_digest, find_model
from fan_model.service.deployment import call_hook
from feature_store.lake.lake import Lake
from feature_store.tables.descriptions import (
    DescriptionRow,
    ItemsPicture,
    append_descriptions,
    read_described,
    scan_pictures,
)
from flows.environment import quiet_libraries
from flows.keeping.sealing import check_lake, seal
from flows.model.served_model import deployment
from flows.night_lock import CATALOGUE_ONLY
from flows.settings import Settings
from flows.workspace import check_writable, open_lake, open_workspace
from recsys_adapters.pictures.picture_reader import ItemPicture, PictureReader

PICTURES_AT_ONCE = 64
"""What a kill may cost: after so many, what is described is written."""
READERS = 8
"""Threads that fetch pictures, for most of the time of fetching is waiting."""
BLOCKED = "the text filter blocks what the model says of it"

Reading = tuple[ItemsPicture, ItemPicture | str]
"""An address, and the picture there, or why it is refused."""


class DescribingInProgressError(RuntimeError):
    """The pictures of the workspace are being described already."""


@dataclass
class DescribingCounts:
    """What became of the pictures; an address counts once, however many items have it."""

    pictures: int = 0
    described_now: int = 0
    """Pictures that the model was asked about, each once by its content."""
    refused: Counter[str] = field(default_factory=Counter)
    """Addresses without a style, by the reason."""
    items_changed: int = 0
    """Items about whose picture something is new."""

    def told(self) -> dict[str, int]:
        """The counts by their names."""
        return {
            "pictures": self.pictures,
            "described_now": self.described_now,
            "refused": self.refused.total(),
            "items_changed": self.items_changed,
        }


def describe(settings: Settings) -> DescribingCounts:
    """Describe the pictures of all items, each once by its content, model and prompt; keep what is said.

    Raises:
        DescriberError: the settings name no model, or one that cannot be used.
        DescribingInProgressError: another `fan describe` is running on the workspace.
        DamagedLakeError: the catalogue is damaged.
    """
    if settings.describe.model is None:
        raise DescriberError(
            "the settings name no model that describes pictures: name the folder or hub id of one from "
            "images and text to text as describe.model"
        )
    check_writable(settings)
    check_lake(settings, CATALOGUE_ONLY)
    quiet_libraries()
    model = find_model(settings.describe.model, settings.describe.revision)
    with _alone(settings):
        lake = open_lake(settings)
        try:
            return PictureDescribing(settings, lake, model).run()
        finally:
            lake.close()
            seal(settings, "lake/")


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Keep a second `fan describe` from doing the same over again."""
    try:
        with FileLock(open_workspace(settings).root / "describe.lock", timeout=0):
            yield
    except Timeout:
        raise DescribingInProgressError(
            f"another `fan describe` is running on {settings.workspace}: wait for it to finish, or stop it"
        ) from None


class PictureDescribing:
    """The pictures of a lake, read, described where they are new, and written.

    Args:
        settings: which pictures may be read, what is asked, and what is blocked.
        lake: of the items.
        model: folder of the vision-language model; it is loaded for the first picture that is new.
    """

    def __init__(self, settings: Settings, lake: Lake, model: Path) -> None:
        self._lake, self._model, self._options = lake, model, settings.describe.options
        self._digest = describer_digest(model, self._options)
        self._reader = PictureReader(settings.pictures)
        self._is_blocked = call_hook(deployment(settings).text_filter)
        self._said = self._read_said()
        self._counts = DescribingCounts()

    @cached_property
    def _describer(self) -> Describer:
        return Describer.from_folder(self._model, self._options)

    def _read_said(self) -> dict[str, Description]:
        """What was said before, by the pictures' checksums.

        Of what was blocked the words were not kept: it is asked again, for the filter may be another today.
        """
        said = read_described(self._lake, self._digest)
        return {
            sha256: Description(style=style, reason=reason)
            for sha256, (style, reason) in said.items()
            if reason != BLOCKED
        }

    def run(self) -> DescribingCounts:
        """Describe all pictures, and write what is new from time to time."""
        pictures = scan_pictures(self._lake)
        with (
            ThreadPoolExecutor(READERS) as readers,
            tqdm(total=len(pictures), desc="describe", unit="picture", disable=None) as progress,
        ):
            for start in range(0, len(pictures), PICTURES_AT_ONCE):
                some = pictures[start : start + PICTURES_AT_ONCE]
                self._describe([*zip(some, readers.map(self._read, some), strict=True)])
                progress.update(len(some))
        return self._counts

    def _read(self, picture: ItemsPicture) -> ItemPicture | str:
        read = self._reader.read(picture.uri)
        return read if isinstance(read, ItemPicture) else str(read.refusal)

    def _describe(self, readings: Sequence[Reading]) -> None:
        new = {
            read.sha256: read.image
            for _, read in readings
            if isinstance(read, ItemPicture) and read.sha256 not in self._said
        }
        self._ask(new)
        rows = [row for picture, read in readings for row in self._rows(picture, read)]
        self._counts.pictures += len(readings)
        self._counts.items_changed += append_descriptions(self._lake, rows)

    def _ask(self, images: Mapping[str, Image.Image]) -> None:
        """Let the model describe pictures that are new to it."""
        if images:
            said = self._describer.describe([*images.values()])
            self._said |= dict(zip(images, said, strict=True))
            self._counts.described_now += len(images)

    def _rows(self, picture: ItemsPicture, read: ItemPicture | str) -> Iterator[DescriptionRow]:
        """A row for each item that has the picture."""
        sha256 = read.sha256 if isinstance(read, ItemPicture) else None
        said = self._pass(self._said[sha256]) if sha256 else Description(reason=str(read))
        if said.reason:
            self._counts.refused[said.reason] += 1
        for item_id in picture.item_ids:
            yield DescriptionRow(
                item_id=item_id,
                stock_image_uri=picture.uri,
                picture_sha256=sha256,
                describer_digest=self._digest,
                style=said.style,
                reason=said.reason,
                described_at=datetime.now(UTC),
            )

    def _pass(self, said: Description) -> Description:
        """What of it may be drawn from, as the text filter is today."""
        return Description(reason=BLOCKED) if said.style and self._is_blocked(said.style) else said
