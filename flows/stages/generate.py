"""Stage 4, generate: draw the pictures whose profile, text or recipe is new, through the registered model."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pyarrow as pa
from mlflow.exceptions import MlflowException
from tqdm import tqdm

from fan_model.drawing.artist import ArtworkRequest, DrawingOptions, artwork_digest
from fan_model.drawing.requests import RequestError
from feature_store.lake.durable_files import checksum, write_durably
from feature_store.lake.lake import Lake
from feature_store.tables.artworks import artwork_id, known_digests, replace_artworks
from feature_store.tables.runs import Run
from flows.model.champion import Champion
from flows.model.served_model import drawing_options
from flows.settings import Settings
from flows.stages.recipes import drawing_recipe, item_seed
from flows.workspace import Workspace

UNKNOWN_ITEM = "the catalogue does not know the item, so there is no text to draw"
FLAGGED = "the text filter refused a text, or the pipeline's safety checker the picture"
PAIRS_PER_COMMIT = 32
"""Pairs drawn and stored together: what a crash can cost."""


@dataclass(frozen=True, kw_only=True)
class Studio:
    """What drawing needs, and what its rows say they came from."""

    settings: Settings
    lake: Lake
    workspace: Workspace
    champion: Champion
    run: Run

    @property
    def options(self) -> DrawingOptions:
        """The settings in the model's words; profiling is done already, so no reference is dropped here."""
        return drawing_options(self.settings, num_references=None)

    def digest(self, request: ArtworkRequest) -> str:
        """Digest all that a picture is made of."""
        return artwork_digest(request, self.options, self.champion.artist.pipeline_fingerprint)

    def image_path(self, digest: str) -> str:
        """Name a picture's file, relative to the workspace."""
        path = self.workspace.image_path(digest, self.settings.drawing.image_format)
        return str(path.relative_to(self.workspace.root))


def draw_pairs(studio: Studio, pairs: pa.Table) -> dict[str, int]:
    """Draw each pair's picture and its plain twin where no file has them, and store the rows.

    Args:
        studio: what to draw with, and where to.
        pairs: `user_id`, `item_id`, `target_id`, `target_text`, `profile_digest`, `references`, `weights`.

    Returns:
        Counts of pictures: generated, reused, flagged and failed (the rows), plain (drawn beside them).
    """
    counts = Counter(generated=0, reused=0, flagged=0, failed=0, plain=0)
    with tqdm(total=pairs.num_rows, desc="generate", unit="picture") as progress:
        for start in range(0, pairs.num_rows, PAIRS_PER_COMMIT):
            chunk = pairs.slice(start, PAIRS_PER_COMMIT).to_pylist()
            counts.update(_draw_chunk(studio, chunk))
            progress.update(len(chunk))
    return dict(counts)


@dataclass(frozen=True)
class _Drawn:
    """What became of one request: its file, or the reason why there is none."""

    status: str
    reason: str | None = None


@dataclass(frozen=True)
class _Sketch:
    """The two pictures that one pair needs."""

    pair: dict[str, Any]
    personal: ArtworkRequest
    plain: ArtworkRequest


def _draw_chunk(studio: Studio, pairs: list[dict[str, Any]]) -> Counter[str]:
    sketches, not_drawn = _sketch_all(studio, pairs)
    requests = {studio.digest(request): request for s in sketches for request in (s.personal, s.plain)}
    seen = known_digests(studio.lake, list(requests))
    missing = {
        digest: request for digest, request in requests.items() if _is_to_draw(studio, digest, request)
    }
    drawn = _draw(studio, missing)
    rows = []
    for sketch in sketches:
        rows.append(_row(studio, sketch, drawn, seen))
        seen.add(str(rows[-1]["artwork_digest"]))
    personal = {row["artwork_digest"] for row in rows}
    rows += not_drawn
    replace_artworks(studio.lake, rows)
    plain = sum(digest not in personal and result.status == "generated" for digest, result in drawn.items())
    return Counter(str(row["status"]) for row in rows) + Counter(plain=plain)


def _sketch_all(studio: Studio, pairs: list[dict[str, Any]]) -> tuple[list[_Sketch], list[dict[str, object]]]:
    """Write the requests of all pairs; rows of those that there is no text for, or that the model refuses."""
    sketches, not_drawn = [], []
    for pair in pairs:
        try:
            sketches.append(_sketch(studio, pair))
        except RequestError as error:
            reason = str(error) if pair["target_text"] else UNKNOWN_ITEM
            not_drawn.append(_row_not_drawn(studio, pair, reason))
    return sketches, not_drawn


def _sketch(studio: Studio, pair: dict[str, Any]) -> _Sketch:
    parse = studio.champion.artist.limits.parse_request
    plain = {"prompt": pair["target_text"], "seed": item_seed(studio.settings, pair["item_id"])}
    taste = {"references": pair["references"], "weights": pair["weights"]} if pair["references"] else {}
    return _Sketch(pair, parse({**plain, **taste}), parse(plain))


def _is_to_draw(studio: Studio, digest: str, request: ArtworkRequest) -> bool:
    """Whether the model is to be asked: always for a text that is blocked by now, whatever was drawn."""
    return studio.champion.artist.is_blocked(request) or not _is_drawn(studio, digest)


def _is_drawn(studio: Studio, digest: str) -> bool:
    return (studio.workspace.root / studio.image_path(digest)).exists()


def _draw(studio: Studio, requests: dict[str, ArtworkRequest]) -> dict[str, _Drawn]:
    """Draw all requests at once; where the model refuses the batch, one by one, to find the one at fault."""
    if not requests:
        return {}
    try:
        return _predict(studio, requests)
    except (ValueError, MlflowException) as error:
        if len(requests) == 1:
            return {digest: _Drawn("failed", str(error).splitlines()[0]) for digest in requests}
        singles = (_draw(studio, {digest: request}) for digest, request in requests.items())
        return {digest: result for single in singles for digest, result in single.items()}


def _predict(studio: Studio, requests: dict[str, ArtworkRequest]) -> dict[str, _Drawn]:
    """Call the registered model, and keep the files of what it drew."""
    rows = pd.DataFrame([_model_row(request) for request in requests.values()])
    artworks = studio.champion.model.predict(rows, params=model_params(studio.settings, num_references=None))
    results = {}
    for digest, artwork in zip(requests, artworks.to_dict("records"), strict=True):
        if artwork["artwork_digest"] != digest:
            raise RuntimeError(f"the model drew {artwork['artwork_digest']}, but {digest} was asked for")
        if artwork["flagged"]:
            results[digest] = _Drawn("flagged", FLAGGED)
            continue
        write_durably(studio.workspace.root / studio.image_path(digest), artwork["image"])
        results[digest] = _Drawn("generated")
    return results


def _model_row(request: ArtworkRequest) -> dict[str, object]:
    return {
        "prompt": request.prompt,
        "references": list(request.references),
        "weights": list(request.weights or ()),
        "seed": request.seed,
    }


def model_params(settings: Settings, *, num_references: int | None) -> dict[str, object]:
    """Write the settings of drawing as the registered model's parameters; None keeps all references."""
    drawing = settings.drawing
    return {
        "alpha": drawing.alpha,
        "num_references": num_references,
        "num_inference_steps": drawing.num_inference_steps,
        "guidance_scale": drawing.guidance_scale,
        "negative_prompt": drawing.negative_prompt,
        "format": drawing.image_format,
        "skip_layers": list(drawing.skip_layers),
        "target_query": drawing.target_query,
    }


def _row(studio: Studio, sketch: _Sketch, drawn: dict[str, _Drawn], seen: set[str]) -> dict[str, object]:
    digest, plain = studio.digest(sketch.personal), studio.digest(sketch.plain)
    result = drawn.get(digest, _Drawn("generated"))
    status = "reused" if result.status == "generated" and digest in seen else result.status
    path = studio.image_path(digest) if result.reason is None else None
    has_plain = drawn.get(plain, _Drawn("generated")).reason is None and _is_drawn(studio, plain)
    return _origin(studio, sketch.pair) | {
        "artwork_id": artwork_id(sketch.pair["user_id"], sketch.pair["item_id"], digest),
        "artwork_digest": digest,
        "image_path": path,
        "image_sha256": checksum(studio.workspace.root / path) if path else None,
        "plain_image_path": studio.image_path(plain) if has_plain else None,
        "seed": sketch.personal.seed,
        "num_references": len(sketch.personal.references),
        "status": status,
        "reason": result.reason,
    }


def _row_not_drawn(studio: Studio, pair: dict[str, Any], reason: str) -> dict[str, object]:
    return _origin(studio, pair) | {
        "artwork_id": artwork_id(pair["user_id"], pair["item_id"], ""),
        "num_references": len(pair["references"]),
        "status": "failed",
        "reason": reason,
    }


def _origin(studio: Studio, pair: dict[str, Any]) -> dict[str, object]:
    return {
        "user_id": pair["user_id"],
        "item_id": pair["item_id"],
        "profile_digest": pair["profile_digest"],
        "target_id": pair["target_id"],
        "alpha": studio.settings.drawing.alpha,
        "model_version": studio.champion.version,
        "drawn_at": datetime.now(UTC),
        "recipe_digest": drawing_recipe(studio.settings, studio.champion.artist.pipeline_fingerprint),
        "run_id": studio.run.run_id,
        "snapshot_id": studio.lake.snapshot_id(),
    }
