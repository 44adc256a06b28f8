"""Stage 2, embed: two vectors per new distinct text into the reference store."""

import logging

import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from fan_model.drawing.artist import Artist
from feature_store.lake.lake import Lake
from feature_store.tables.items import list_cut, render_texts, scan_texts
from feature_store.vectors.reference_store import ReferenceStore, StoredVectors
from flows.settings import Settings

logger = logging.getLogger(__name__)

TEXTS_PER_BATCH = 256
BATCHES_PER_SAVE = 200
"""How many batches may be lost to a crash: saving writes the whole store."""


def embed(settings: Settings, lake: Lake, store: ReferenceStore, artist: Artist) -> dict[str, int]:
    """Render the items' texts, encode those that have no vectors yet, save them; return counts."""
    num_rendered = render(settings, lake, artist)
    if cut := list_cut(lake):
        logger.warning(
            "texts of %d items are shortened to what the text encoder reads: %s", len(cut), ", ".join(cut[:5])
        )
    known = scan_texts(lake)
    new = known.filter(
        pc.is_in(known["reference_id"], pa.array(store.missing(known["reference_id"].to_numpy())))
    )
    encode_texts(store, artist, new)
    return {
        "items_rendered": num_rendered,
        "items_shortened": len(cut),
        "texts_encoded": new.num_rows,
        "references": len(store),
    }


def render(settings: Settings, lake: Lake, artist: Artist) -> int:
    """Write the items' texts where they are new, none longer than the text encoder reads; return how many."""
    return render_texts(
        lake,
        reference_template=settings.texts.reference_template,
        target_template=settings.texts.target_template,
        reader=artist.encoder_fingerprint,
        count_unread=artist.count_unread,
        longest=settings.serving.limits.max_characters,
    )


def encode_texts(store: ReferenceStore, artist: Artist, texts: pa.Table) -> None:
    """Encode texts (`reference_id`, `text`) into the store, and save it."""
    batches = [texts.slice(start, TEXTS_PER_BATCH) for start in range(0, texts.num_rows, TEXTS_PER_BATCH)]
    for number, batch in enumerate(
        tqdm(batches, desc="embed", unit="batch", disable=not batches or None), start=1
    ):
        vectors = artist.encode_texts(batch["text"].to_pylist())
        stored = StoredVectors(vectors.mean_unit_tokens, vectors.unit_mean_tokens)
        store.add(batch["reference_id"].to_numpy(), stored)
        if number % BATCHES_PER_SAVE == 0 or number == len(batches):
            store.save()
