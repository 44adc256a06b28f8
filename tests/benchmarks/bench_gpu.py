"""Drawing on a GPU, against the same diffusers pipeline on embeddings that are made already.

    python -m tests.benchmarks gpu

Ours reads texts, personalizes, draws, looks at what it drew and encodes files; the plain way draws.
"""

import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import torch
from diffusers import DiffusionPipeline

from fan_model.drawing.artist import Artist, ArtworkRequest, DrawingOptions
from fan_model.loading.execution import Execution
from tests.benchmarks.random_pipelines import save_in_halves, stable_diffusion_1, stable_diffusion_xl
from tests.benchmarks.registry import Measurement, benchmark, peak_mib

BATCH, NUM_BATCHES, STEPS = 8, 4, 20
GUIDANCE = 5.0
REFERENCES = tuple(f"reference {number}, pastel watercolor film poster" for number in range(20))


@benchmark("gpu_sd15", plain="diffusers on prebuilt embeddings", ours="texts to files, personalized")
def gpu_sd15() -> Measurement:
    """Stable Diffusion 1.5's shape, 512 x 512."""
    return measure(stable_diffusion_1)


@benchmark("gpu_sdxl", plain="diffusers on prebuilt embeddings", ours="texts to files, personalized")
def gpu_sdxl() -> Measurement:
    """SD XL's shape, 1024 x 1024."""
    return measure(stable_diffusion_xl)


def measure(make, *, device="cuda", batch=BATCH, num_batches=NUM_BATCHES, steps=STEPS) -> Measurement:
    """Milliseconds per picture of both ways, by turns, and how busy the device was in ours."""
    if device == "cuda" and not torch.cuda.is_available():
        raise SystemExit(
            "there is no GPU here: run `python -m tests.benchmarks gpu` on a machine that has one"
        )
    with tempfile.TemporaryDirectory() as folder:
        save_in_halves(make, Path(folder), device)
        before = peak_mib()
        artist = Artist.load(folder, execution=Execution(device=device, batch_size=batch))
        options = DrawingOptions(num_inference_steps=steps, guidance_scale=GUIDANCE, num_references=None)
        requests = [
            ArtworkRequest(prompt=f"adventure film poster {seed}", references=REFERENCES, seed=seed)
            for seed in range(batch * num_batches)
        ]
        plain = prepare_plain(folder, artist, requests[:batch], options, steps)
    artist.draw(requests[:batch], options)
    plain()
    plain_seconds = timed(lambda: [plain() for _ in range(num_batches)])
    with watched_device(device) as busy:
        our_seconds = timed(lambda: artist.draw(requests, options))
    per_picture = 1e3 / len(requests)
    remark = f"{num_batches} batches of {batch}, {steps} steps; device busy: {describe(busy)}"
    return Measurement(
        plain_seconds * per_picture, our_seconds * per_picture, "ms per picture", peak_mib() - before, remark
    )


def prepare_plain(folder, artist, requests, options, steps):
    """The pipeline's own call on the embeddings of a batch, in the number types that ours has."""
    painter = artist.personalizer
    types = {name: part.dtype for name, part in painter.pipeline.components.items() if hasattr(part, "dtype")}
    pipeline = DiffusionPipeline.from_pretrained(folder, dtype=types, safety_checker=None)
    pipeline.vae = painter.pipeline.vae
    pipeline = pipeline.to(painter.pipeline.device)
    pipeline.set_progress_bar_config(disable=True)
    embeddings = painter.prompt_arguments(requests, options)

    def draw():
        generators = [torch.Generator("cpu").manual_seed(request.seed) for request in requests]
        with torch.no_grad():
            return pipeline(
                **embeddings, num_inference_steps=steps, guidance_scale=GUIDANCE, generator=generators
            ).images

    return draw


def timed(work) -> float:
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


@contextmanager
def watched_device(device):
    """Percent of the time that the device computed, several times a second."""
    busy: list[int] = []
    stop = threading.Event()

    def watch():
        query = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--id=0"]
        while device == "cuda" and not stop.wait(0.2):
            busy.append(int(subprocess.run(query, capture_output=True, text=True, check=True).stdout))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield busy
    finally:
        stop.set()
        watcher.join()


def describe(busy) -> str:
    """The middle of what was seen, without the first and the last look."""
    inner = sorted(busy[1:-1])
    return f"{inner[len(inner) // 2]} % (median of {len(inner)})" if inner else "not measured"
