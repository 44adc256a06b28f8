"""Train and measure a detector: `python -m fan_model.studio.training.train_class_token CAPTIONS WEIGHTS`.

CAPTIONS has one caption per line; a tenth is held out. Printed is how often the detector finds the end of
held-out captions, plain and personalized with other captions as references. The known position is right by
construction, since the personalized query starts as the target's tokens.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from fan_model.bundled import PIPELINE_FOLDER
from fan_model.encoders.class_token import ClassTokenDetector, train_detector
from fan_model.encoders.personalized_encoders import ClipEncoder, Preference, Stream
from fan_model.encoders.text_encoders import end_positions


def main() -> None:
    """Read the arguments, train, save, measure."""
    parser = argparse.ArgumentParser(
        prog="python -m fan_model.studio.training.train_class_token", description=__doc__
    )
    parser.add_argument("captions", type=Path, help="text file, one caption per line")
    parser.add_argument("weights", type=Path, help="where to write them (.safetensors)")
    parser.add_argument(
        "--pipeline", type=Path, default=PIPELINE_FOLDER, help="folder with text_encoder and tokenizer"
    )
    parser.add_argument("--epochs", type=int, default=10)
    arguments = parser.parse_args()
    model = CLIPTextModel.from_pretrained(arguments.pipeline / "text_encoder", dtype=torch.float32)
    encoder = ClipEncoder(getattr(model, "text_model", model))
    token_ids = _tokenize(arguments.pipeline / "tokenizer", arguments.captions.read_text().splitlines())
    positions = end_positions(token_ids, cast(int, model.config.eos_token_id))
    held_out = max(1, len(token_ids) // 10)
    detector, losses = train_detector(
        encoder, token_ids[held_out:], positions[held_out:], num_epochs=arguments.epochs
    )
    detector.save(arguments.weights)
    print(f"loss of the last epoch {losses[-1]:.4f}")
    for alpha in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        share = detection_rate(encoder, detector, token_ids[:held_out], positions[:held_out], alpha=alpha)
        print(f"alpha {alpha:.1f}: the detector finds {share:.1%} of the ends")


def detection_rate(
    encoder: ClipEncoder,
    detector: ClassTokenDetector,
    token_ids: Tensor,
    positions: Tensor,
    *,
    alpha: float,
    num_references: int = 4,
) -> float:
    """Share of targets [N, n] whose end the detector finds when the next captions are their references."""
    streams = encoder.record(token_ids, first_layer=1)
    weights = (1 / num_references,) * num_references
    preferences = [
        Preference(stream, _following(streams, i, num_references), weights)
        for i, stream in enumerate(streams)
    ]
    found = detector.find(encoder.personalize(preferences, alpha=alpha)[-1])
    return float((found == positions).float().mean())


def _following(items: Sequence[Stream], place: int, count: int) -> list[Stream]:
    return [items[(place + 1 + offset) % len(items)] for offset in range(count)]


def _tokenize(folder: Path, captions: Sequence[str]) -> Tensor:
    tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    wanted = [caption for caption in captions if caption.strip()]
    return tokenizer(wanted, padding="max_length", truncation=True, return_tensors="pt").input_ids


if __name__ == "__main__":
    main()
