"""Drawing with the bundled pipeline: batches, against one prompt at a time."""

import warnings
from importlib.resources import files

import torch
from diffusers import DiffusionPipeline

from fan_model.drawing.artist import Artist, ArtworkRequest, DrawingOptions
from tests.benchmarks.registry import Measurement, alternate, benchmark, peak_mib

NUM_PICTURES = 32


@benchmark("draw_batch", plain="one prompt at a time", ours="batches of 16, personalized")
def draw_batch() -> Measurement:
    """The plain way is the pipeline as it comes; ours personalizes, and encodes the files as well."""
    warnings.simplefilter("ignore")
    folder = files("fan_model") / "bundled" / "pipeline"
    artist, options = Artist.load(str(folder)), DrawingOptions()
    requests = [
        ArtworkRequest(
            prompt=f"adventure film poster {i}", references=("romance, pastel", "film noir"), seed=i
        )
        for i in range(NUM_PICTURES)
    ]
    before = peak_mib()
    together = artist.draw(requests, options)
    peak = peak_mib() - before
    alone = [artist.draw([request], options)[0] for request in requests[:4]]
    same = all(one.image == other.image for one, other in zip(alone, together, strict=False))

    pipeline = DiffusionPipeline.from_pretrained(str(folder), torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)

    def plainly():
        for i in range(8):
            generator = torch.Generator().manual_seed(i)
            pipeline(
                f"adventure film poster {i}", num_inference_steps=8, guidance_scale=1, generator=generator
            )

    plain, ours = alternate(plainly, lambda: artist.draw(requests, options))
    per_second = NUM_PICTURES / ours
    remark = (
        f"{per_second:.1f} pictures a second; drawn alone they have {'the same' if same else 'OTHER'} bytes"
    )
    return Measurement(1e3 * plain / 8, 1e3 * ours / NUM_PICTURES, "ms per picture", peak, remark)
