"""A tiny image model, and users whose pictures are wanted."""

import numpy as np
import torch
from diffusers import DDIMScheduler

from evaluation.peers.drum import Drum
from evaluation.peers.drum_adapter import AdapterOrigin, ConditionAdapter
from evaluation.peers.easel import Easel
from evaluation.peers.fabric import Fabric
from evaluation.peers.mean_of_conditions import MeanOfConditions, OneCondition
from evaluation.peers.peer import PeerCase
from evaluation.peers.pmg import Pmg
from evaluation.peers.tailored_visions import TailoredVisions
from evaluation.peers.viper import Viper
from fan_model.drawing.artist import Artist
from fan_model.drawing.personalizer import Personalizer
from fan_model.drawing.requests import DrawingOptions
from tests.fan_model.pipelines import stable_diffusion

OPTIONS = DrawingOptions(num_inference_steps=2, guidance_scale=4, num_references=None)
ANN = ("ox, red ink", "elk, red oil", "fox, blue ink", "cat, red fog")
BOB = ("owl, gold dust", "bat, gold wood", "bee, dark wood", "cod, gold sun")


class CountedSteps(DDIMScheduler):
    """A scheduler that notes how many steps each drawing was told to take."""

    asked = []

    def set_timesteps(self, num_inference_steps=None, *args, **kwargs):
        self.asked.append(num_inference_steps)
        return super().set_timesteps(num_inference_steps, *args, **kwargs)


class Echo:
    """A language model that answers with what it is asked about, and notes what that is."""

    name = "echo"

    def __init__(self):
        self.asked = []

    def answer(self, instruction):
        self.asked.append(instruction)
        if "likes:" in instruction:
            return "likes: red, ink\ndislikes: fog"
        return "a rewritten red prompt"


def make_artist(pipeline=None):
    pipeline = pipeline or stable_diffusion()
    pipeline.set_progress_bar_config(disable=True)
    painter = Personalizer(pipeline, batch_size=4)
    return Artist([painter], encoder_fingerprint="encoder", pipeline_fingerprint="pipeline")


def make_adapter(width=32):
    """An adapter whose every weight says something, as after a training."""
    torch.manual_seed(0)
    adapter = ConditionAdapter(torch.zeros(1, width))
    for weight in adapter.parameters():
        weight.data += 0.1 * torch.randn_like(weight)
    return adapter.eval()


ORIGIN = AdapterOrigin(encoder_fingerprint="encoder", seed=0, num_steps=1, num_captions=9, minutes=1.5)


def make_peers():
    return [
        Drum(0.5, make_adapter(), ORIGIN),
        TailoredVisions(),
        TailoredVisions(retrieval="bm25"),
        TailoredVisions(Echo()),
        Pmg(),
        Fabric(),
        Viper(),
        Viper(rewriter=Echo()),
        MeanOfConditions(0.5),
        OneCondition(0.5),
    ]


def make_case(artist, prompt="a dog", texts=ANN, weights=None, disliked=(), seed=3):
    vectors = artist.encode_texts([prompt, *texts])
    return PeerCase(
        prompt=prompt,
        seed=seed,
        texts=tuple(texts),
        weights=np.arange(len(texts), 0, -1.0) if weights is None else np.array(weights, float),
        target=vectors[:1],
        vectors=vectors[1:],
        disliked=tuple(disliked),
    )


def make_easel(artist, **changes):
    return Easel(artist, OPTIONS.__class__(**{**OPTIONS.__dict__, **changes}))
