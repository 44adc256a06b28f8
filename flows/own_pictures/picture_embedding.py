"""Pictures that speak for users, in the embed stage: looked at, and what is seen of new ones is kept."""

from collections.abc import Sequence

from fan_model.drawing.artist import Artist
from fan_model.encoders.conditioners import accept_pipeline
from fan_model.image_references.image_profile import Picture
from fan_model.loading.image_encoders import check_texts, say_how_to_take_pictures
from fan_model.request_errors import RequestError
from feature_store.lake.lake import Lake
from feature_store.schemas import REFERENCE_PICTURES
from feature_store.tables.item_pictures.reference_pictures import (
    replace_reference_pictures,
    scan_used_pictures,
)
from feature_store.tables.runs import Run
from feature_store.vectors.picture_vectors import PictureStore
from flows.own_pictures.looking import keep_nothing, look_at, note_refused
from flows.settings import Settings
from flows.stages.task_map import Counts
from flows.workspace import open_pictures
from recsys_adapters.pictures.picture_reader import ItemPicture

DO_NOT_ACT = "do not act as references"
NOT_BOTH = "start.strength must be unset where pictures act (images.references): one begins with noise alone"
SAVED_AFTER = 8_192
"""Pictures that may have to be looked at again after a crash."""


def check_takes_pictures(settings: Settings, artist: Artist) -> None:
    """Look whether the settings' model takes pictures, where the settings let them act.

    Raises:
        RequestError: It does not, or not beside other settings.
        ExecutionError: It takes no texts, which are to act as well.
    """
    if not settings.images.takes_images:
        return
    family = accept_pipeline(artist.personalizer.pipeline)
    check_texts(family, settings.images)
    if artist.image_input is None:
        raise RequestError(say_how_to_take_pictures(family.pipeline))
    if settings.start.strength is not None:
        raise RequestError(NOT_BOTH)


def embed_pictures(settings: Settings, lake: Lake, run: Run, artist: Artist) -> Counts:
    """Look at the pictures of all items of histories and targets; return counts, none where none act.

    What the encoder sees is kept by the checksums of the files, for families that take one embedding of a
    picture. The states of all patches, and the keys and values of personalized attention, would take a
    thousand times as much: for them a picture is looked at again when it is drawn from.

    Raises:
        RequestError: The model takes no pictures.
    """
    check_takes_pictures(settings, artist)
    if not settings.images.takes_images:
        return {}
    store = open_pictures(
        settings, encoder_fingerprint=artist.image_fingerprint, width=artist.embedding_width
    )
    embedding = None if store is None else _Embedding(artist, store)
    rows = look_at(settings.pictures, scan_used_pictures(lake), embedding.add if embedding else keep_nothing)
    if embedding:
        embedding.finish()
    replace_reference_pictures(lake, rows)
    table = REFERENCE_PICTURES.name
    refused = note_refused(lake, run, rows, stage="embed", outcome=DO_NOT_ACT, table=table)
    return {
        "pictures": len(rows) - refused,
        "pictures_refused": refused,
        "pictures_embedded": embedding.num_pictures if embedding else 0,
    }


class _Embedding:
    """Lets the encoder see pictures that are new, each once by its content."""

    def __init__(self, artist: Artist, store: PictureStore) -> None:
        self._artist, self._store = artist, store
        self.num_pictures = 0
        self._num_saved = 0

    def add(self, pictures: Sequence[ItemPicture]) -> None:
        by_checksum = {one.sha256: one.image for one in pictures}
        new = self._store.missing(list(by_checksum))
        if new:
            seen = self._artist.embed_pictures([Picture(one, by_checksum[one]) for one in new])
            self._store.add(new, seen)
            self.num_pictures += len(new)
        if self.num_pictures - self._num_saved >= SAVED_AFTER:
            self.finish()

    def finish(self) -> None:
        if self.num_pictures > self._num_saved:
            self._store.save()
            self._num_saved = self.num_pictures
