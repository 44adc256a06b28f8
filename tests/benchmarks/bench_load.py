"""Memory of loading and of registering large models."""

import os
import tempfile
from pathlib import Path

import torch

from fan_model.drawing.artist import Artist
from fan_model.loading.execution import Execution
from fan_model.service.registry import register_artist
from tests.benchmarks.random_pipelines import save_in_halves, stable_diffusion_xl
from tests.benchmarks.registry import Measurement, benchmark, peak_mib
from tests.fan_model.pipelines import stable_diffusion

MEBIBYTE = 2**20
LARGE_FILE = 6 * 2**30


@benchmark("load_sdxl_memory", plain="size of the weights, SD XL's shape in halves", ours="peak of loading")
def load_sdxl_memory() -> Measurement:
    """Loaded in the number types of the files, as for a GPU; on the CPU `auto` would double them."""
    with tempfile.TemporaryDirectory() as folder:
        # In a process of its own, or the weights that are made would be the peak.
        size = in_a_child(lambda: save_in_halves(stable_diffusion_xl, Path(folder)))
        before = peak_mib()
        artist = Artist.load(folder, execution=Execution(dtype="float16"))
        # Weights that keep their type stay mapped from their files until somebody reads them.
        read_weights(artist)
        peak = peak_mib() - before
    remark = f"{peak * MEBIBYTE / size:.2f} of the weights' size; the autoencoder is float32, by its config"
    return Measurement(size / MEBIBYTE, peak, "MiB", peak, remark)


def read_weights(artist) -> None:
    """Read every weight once, as moving them to a device does."""
    for part in artist.personalizer.pipeline.components.values():
        for weight in part.parameters() if isinstance(part, torch.nn.Module) else ():
            weight.view(torch.uint8).max()


@benchmark("register_memory", plain="size of the folder", ours="peak of registering it")
def register_memory() -> Measurement:
    """A folder of 6 GiB, most of it a file of zeros: it is checksummed, and not copied."""
    with tempfile.TemporaryDirectory() as folder:
        pipeline = Path(folder) / "pipeline"
        stable_diffusion().save_pretrained(pipeline)
        with (pipeline / "unet" / "zeros.safetensors").open("wb") as file:
            file.truncate(LARGE_FILE)
        before = peak_mib()
        register_artist(
            pipeline,
            tracking_uri=f"sqlite:///{folder}/mlflow.db",
            artifact_location=(Path(folder) / "artifacts").as_uri(),
        )
        peak = peak_mib() - before
    return Measurement(LARGE_FILE / MEBIBYTE, peak, "MiB", peak, "and no copy of it")


def in_a_child(work) -> int:
    """What the work returns, done by a child process."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, str(work()).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return int(told)
