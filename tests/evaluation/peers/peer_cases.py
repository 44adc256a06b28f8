"""A tiny image model, and users whose pictures are wanted."""

import torch

from evaluation.peers.drum import Drum
from evaluation.peers.drum_adapter import AdapterOrigin, ConditionAdapter
from evaluation.peers.fabric import Fabric
from evaluation.peers.mean_of_conditions import MeanOfConditions, OneCondition
from evaluation.peers.pmg import Pmg
from evaluation.peers.shared_image_model import SharedImageModel
from evaluation.peers.tailored_visions import TailoredVisions
from evaluation.peers.viper import Viper
from evaluation.testing.peer_contract import open_artist
from fan_model.drawing.requests import DrawingOptions
from tests.fan_model.pipelines import stable_diffusion

OPTIONS = DrawingOptions(num_inference_steps=2, guidance_scale=4, num_references=None)


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
    return open_artist(pipeline or stable_diffusion())


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


def share_image_model(artist, **changes):
    return SharedImageModel(artist, OPTIONS.__class__(**{**OPTIONS.__dict__, **changes}))
