"""Train the adapter of DrUM, one of the methods that evaluations compare with, for the settings' pipeline."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from evaluation.peers.condition_mixing import refuse_unequal
from evaluation.peers.drum_adapter import AdapterOrigin, save_adapter
from evaluation.peers.drum_training import AdapterCourse, train_adapter
from evaluation.peers.shared_image_model import SharedImageModel
from fan_model.drawing.artist import Artist
from fan_model.drawing.requests import DrawingOptions
from flows.environment import quiet_libraries
from flows.keeping.sealing import seal
from flows.model.champion import pipeline_source
from flows.settings import BUNDLED_PIPELINE, Settings
from flows.workspace import Workspace

MAX_CAPTIONS = 3_000
"""Their conditions are held in memory while the adapter is trained."""
LEAST_CAPTIONS = 100
ENCODED_AT_ONCE = 64


class CaptionsError(ValueError):
    """There are no captions, or too few, to train an adapter with."""


class UnfitEncoderError(ValueError):
    """A pipeline whose conditions no adapter can take."""


@dataclass(frozen=True)
class TrainedAdapter:
    """Where the weights lie, and what they came of."""

    file: Path
    origin: AdapterOrigin
    num_parameters: int


def adapter_path(settings: Settings, encoder_fingerprint: str) -> Path:
    """Name the file of the adapter that is trained here for a text encoder."""
    return Workspace(settings.workspace).adapters / f"{encoder_fingerprint[:16]}.safetensors"


def train_drum(
    settings: Settings, *, captions: Path | None = None, seed: int = 0, num_steps: int
) -> TrainedAdapter:
    """Train the adapter of the settings' pipeline; a training that was stopped is carried on.

    Args:
        settings: Which pipeline, and where it runs.
        captions: UTF-8 file with a caption per line; for the bundled pipeline its own kind if not given.
        seed: Of weights, captions and cases.
        num_steps: More are better, and slower.

    Raises:
        CaptionsError: There are no captions, or too few.
        UnfitEncoderError: The pipeline's conditions have no common shape.
        OtherTrainingError: A stopped training had other captions, steps or another seed.
    """
    quiet_libraries()
    texts = _read_captions(settings, captions, seed)
    artist = Artist.load(
        pipeline_source(settings), revision=settings.model.revision, execution=settings.model.execution
    )
    image_model = SharedImageModel(artist, artist.complete(DrawingOptions()))
    reason = refuse_unequal(image_model)
    if reason:
        raise UnfitEncoderError(reason)
    file = adapter_path(settings, artist.encoder_fingerprint)
    checkpoint = file.with_suffix(".training")
    course = AdapterCourse(
        encoder_fingerprint=artist.encoder_fingerprint,
        captions_digest=hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16],
        seed=seed,
        num_steps=num_steps,
    )
    with tqdm(total=num_steps, desc="adapter", unit="step", disable=None) as bar:
        adapter, origin = train_adapter(
            _encode(image_model, texts), course, checkpoint, lambda done, _: bar.update(done - bar.n)
        )
    save_adapter(adapter, origin, file)
    checkpoint.unlink(missing_ok=True)
    seal(settings, "evaluation/")
    return TrainedAdapter(file, origin, adapter.num_parameters)


def _read_captions(settings: Settings, file: Path | None, seed: int) -> list[str]:
    """Distinct captions, in their order."""
    if file is None and settings.model.pipeline != BUNDLED_PIPELINE:
        raise CaptionsError(
            "the settings' pipeline has no captions of its own: name a file of them with --captions"
        )
    if file is None:
        # The studio is a distribution of its own, and whoever has captions needs none.
        from evaluation.bundled_model.caption_sample import sample_captions

        return sample_captions(MAX_CAPTIONS, seed)
    lines = (line.strip() for line in file.read_text(encoding="utf-8").splitlines())
    texts = list(dict.fromkeys(line for line in lines if line))[:MAX_CAPTIONS]
    if len(texts) < LEAST_CAPTIONS:
        raise CaptionsError(
            f"{file.name} has {len(texts)} distinct captions: give {LEAST_CAPTIONS} or more, one a line"
        )
    return texts


@torch.inference_mode()
def _encode(image_model: SharedImageModel, texts: Sequence[str]) -> Tensor:
    """[N, n, w] the plain conditions of captions."""
    starts = range(0, len(texts), ENCODED_AT_ONCE)
    batches = [image_model.encode(texts[start : start + ENCODED_AT_ONCE]).prompt_embeds for start in starts]
    # Clones of what inference made may take part in a training.
    return torch.cat([batch.float().cpu() for batch in batches]).clone()
