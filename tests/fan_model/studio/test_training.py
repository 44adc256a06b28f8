"""The training of the bundled model: every part resumes, and the whole of it makes a pipeline that draws."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fan_model.drawing.artist import Artist
from fan_model.drawing.requests import ArtworkRequest, DrawingOptions
from fan_model.studio.training import course as course_module
from fan_model.studio.training.codec import encode_posters, fit_cells
from fan_model.studio.training.contrast import to_pixel_values
from fan_model.studio.training.course import Course, half_precision, learning_rate, train
from fan_model.studio.training.painter import hide_words
from fan_model.studio.training.poster_set import PosterSet
from fan_model.studio.training.recipe import RECIPES
from fan_model.studio.training.tokens import make_tokenizer, tokenize
from fan_model.studio.training.training_run import RecipeError, TrainingRun

TINY = Course("tiny", seed=3, num_steps=12, learning_rate=0.1, ema_decay=0.9)


class KilledError(Exception):
    pass


@pytest.fixture(scope="module")
def posters(tmp_path_factory):
    posters = PosterSet(tmp_path_factory.mktemp("posters"), seed=5, num_posters=500)
    assert sum(posters.draw()) == 500
    return posters


def learn(folder, *, until=None):
    """Teach a weight to follow noise; return it and the steps that were taken."""
    torch.manual_seed(0)
    module, steps = nn.Linear(4, 1), []

    def loss(step):
        if step == until:
            raise KilledError
        steps.append(step)
        return (module(torch.randn(8, 4)) - 1).square().mean()

    train(TINY, module, loss, folder, lambda *_: None)
    return module.weight.detach().clone(), steps


def test_a_training_that_was_stopped_ends_with_the_same_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(course_module, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    (tmp_path / "whole").mkdir()
    (tmp_path / "stopped").mkdir()
    whole, _ = learn(tmp_path / "whole")
    with pytest.raises(KilledError, match="^$"):
        learn(tmp_path / "stopped", until=7)
    resumed, steps = learn(tmp_path / "stopped")
    assert steps == [7, 8, 9, 10, 11]
    assert torch.equal(resumed, whole)


def test_a_finished_training_is_not_done_again(tmp_path):
    weights, _ = learn(tmp_path)
    again, steps = learn(tmp_path)
    assert steps == []
    assert torch.equal(again, weights)


def test_losses_are_logged_with_their_step(tmp_path):
    learn(tmp_path)
    (line,) = (tmp_path / "tiny.jsonl").read_text().splitlines()
    assert json.loads(line)["step"] == 12


def test_the_rate_warms_up_holds_and_falls_to_a_hundredth():
    long = replace(TINY, num_steps=1000, hold=0.3)
    rates = [learning_rate(long, step) for step in range(1000)]
    assert rates[0] == pytest.approx(0.1 / 50)
    assert rates[60:300] == pytest.approx([0.1] * 240)
    assert rates[300:] == sorted(rates[300:], reverse=True)
    assert rates[-1] == pytest.approx(0.001, rel=0.01)


@pytest.mark.parametrize("has_instructions", [True, False])
def test_halves_are_used_only_where_there_are_instructions_for_them(monkeypatch, has_instructions):
    monkeypatch.setattr(course_module, "_has_bfloat16", lambda _: has_instructions)
    with half_precision(torch.device("cpu")):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert (product.dtype == torch.bfloat16) == has_instructions


def test_posters_are_drawn_once_and_by_their_number(posters):
    assert list(posters.draw()) == [500]
    images = posters.images(np.array([0, 7, 0]))
    assert images.shape == (3, 128, 128, 3)
    assert (images[0] == images[2]).all()
    assert posters.spec(7) == PosterSet(posters.folder, 5, 500).spec(7)
    assert posters.spec(7) != PosterSet(posters.folder, 6, 500).spec(7)


@pytest.mark.whole
def test_latents_are_linear_of_unit_variance_and_keep_the_picture(posters, tmp_path):
    cells = fit_cells(posters, tmp_path / "cells.safetensors")
    latents = encode_posters(cells, posters, tmp_path / "latents.safetensors").float()
    assert latents.shape == (500, 16, 16, 16)
    assert latents.square().mean().item() == pytest.approx(1, abs=0.02)
    pictures = to_pixel_values(torch.from_numpy(posters.images(np.arange(20))))
    back = torch.einsum("nkyx,kc->ncyx", cells.encode(pictures), torch.linalg.pinv(cells.components).T)
    redrawn = torch.nn.functional.pixel_shuffle(back + cells.mean[None, :, None, None], 8)
    assert (redrawn - pictures).square().mean() < 0.02


def test_the_tokenizer_reads_captions_and_any_other_text(tmp_path):
    tokenizer = make_tokenizer(tmp_path, seed=1, num_captions=400)
    tokens = tokenize(tokenizer, ["Western film poster", "naïve 電影 🎬", ""])
    assert tokens.shape == (3, 48)
    assert tokenizer.decode(tokens[1], skip_special_tokens=True).strip() == "naïve 電影 🎬"
    assert (tokens[:, 0] == tokenizer.bos_token_id).all()
    assert (tokens[2, 1:] == tokenizer.eos_token_id).all()


@given(share=st.floats(0, 1), seed=st.integers(0, 1000))
def test_hidden_words_take_on_the_state_of_the_end(share, seed):
    torch.manual_seed(seed)
    states = torch.randn(3, 8, 4)
    is_end = torch.arange(8)[None] >= torch.tensor([[3], [5], [1]])
    hidden = hide_words(states, is_end, share)
    ends = states[torch.arange(3), torch.tensor([3, 5, 1])][:, None]
    assert ((hidden == states) | (hidden == ends)).all()
    assert torch.equal(hidden[:, 0], states[:, 0])
    assert torch.equal(hidden[is_end], states[is_end])


def test_no_word_is_hidden_where_none_should_be():
    states = torch.randn(2, 5, 4)
    assert torch.equal(hide_words(states, torch.zeros(2, 5, dtype=torch.bool), 0.0), states)


def test_a_folder_is_not_mixed_from_two_recipes(tmp_path):
    def begin(seed):
        TrainingRun(RECIPES["small"], seed, tmp_path, torch.device("cpu"), lambda *_: None)._claim_folder()

    begin(1)
    begin(1)
    with pytest.raises(RecipeError, match="another recipe or seed: name another folder"):
        begin(2)


@pytest.mark.slow
def test_a_small_studio_is_trained_by_the_command_through_a_kill_and_draws(tmp_path):
    command = [
        sys.executable, "-c", "from flows.cli import main; main()", "studio", "train", "--size", "small",
        "--folder", str(tmp_path), "--captions", "36", "--pairs", "4", "--device", "cpu",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not (tmp_path / "judge.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (tmp_path / "reader.pt").exists()
    assert not (tmp_path / "pipeline").exists()
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "drawn genre accuracy" in printed
    assert {"alpha.png", "figures.json"} <= {file.name for file in (tmp_path / "sheets").iterdir()}
    artist = Artist.load(tmp_path / "pipeline")
    (artwork,) = artist.draw(
        [ArtworkRequest(prompt="western film poster")], DrawingOptions(num_inference_steps=2)
    )
    assert artwork.image.startswith(b"\x89PNG")
