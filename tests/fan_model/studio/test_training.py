"""The training of the bundled model: every part resumes, and the whole of it makes a pipeline that draws."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import DPMSolverMultistepScheduler
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn
from transformers import CLIPModel

from fan_model.bundled import JUDGE_FOLDER, PIPELINE_FOLDER
from fan_model.drawing.artist import Artist
from fan_model.drawing.requests import ArtworkRequest, DrawingOptions
from fan_model.loading.own_sampling import OwnSampling, read_statement
from fan_model.loading.pipeline_files import STATEMENT
from fan_model.studio.posters.captions import GENRE_WORDS, LOOSE
from fan_model.studio.posters.palettes import PALETTES
from fan_model.studio.posters.poster import PosterSpec
from fan_model.studio.posters.styles import STYLES
from fan_model.studio.training import course as course_module
from fan_model.studio.training.assemble import save_judge
from fan_model.studio.training.codec import encode_posters, fit_cells
from fan_model.studio.training.contrast import soften, to_pixel_values
from fan_model.studio.training.course import Course, half_precision, learning_rate, train
from fan_model.studio.training.painter import (
    DRAWING_STEPS,
    FARTHEST_MIX,
    MIXED_CONDITIONS,
    SCHEDULE,
    Lessons,
    choose_hidden,
    choose_shares,
    drawing_times,
    hide_words,
    mix_states,
    seen_times,
)
from fan_model.studio.training.poster_attributes import CLASSES, attribute_labels
from fan_model.studio.training.poster_set import PosterSet
from fan_model.studio.training.recipe import PATCH_PIXELS, RECIPES
from fan_model.studio.training.starting_weights import StartingWeights
from fan_model.studio.training.tokens import make_tokenizer, tokenize
from fan_model.studio.training.training_run import RecipeError, TrainingRun
from fan_model.studio.training.worded_posters import NUM_WORDINGS, word_posters

TINY = Course("tiny", seed=3, num_steps=12, learning_rate=0.1, ema_decay=0.9)


class KilledError(Exception):
    pass


@pytest.fixture(scope="module")
def posters(tmp_path_factory):
    posters = PosterSet(tmp_path_factory.mktemp("posters"), seed=5, num_posters=60)
    assert sum(posters.draw()) == 60
    return posters


def learn(folder, *, until=None):
    """Teach a weight to follow noise; return it and the steps that were taken."""
    torch.manual_seed(0)
    module, steps = nn.Linear(4, 1), []

    def deal(step):
        if step == until:
            raise KilledError
        steps.append(step)
        return (torch.randn(8, 4),)

    def loss(noise):
        return (module(noise) - 1).square().mean()

    train(TINY, module, lambda: deal, loss, folder, lambda *_: None)
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
    assert list(posters.draw()) == [60]
    images = posters.images(np.array([0, 7, 0]))
    assert images.shape == (3, 128, 128, 3)
    assert (images[0] == images[2]).all()
    assert posters.spec(7) == PosterSet(posters.folder, 5, 60).spec(7)
    assert posters.spec(7) != PosterSet(posters.folder, 6, 60).spec(7)


@pytest.mark.whole
def test_latents_are_linear_of_unit_variance_and_keep_the_picture(posters, tmp_path):
    cells = fit_cells(posters, tmp_path / "cells.safetensors")
    latents = encode_posters(cells, posters, tmp_path / "latents.safetensors").float()
    assert latents.shape == (60, 16, 16, 16)
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
    chosen = choose_hidden(is_end, share)
    hidden = hide_words(states, is_end, chosen)
    ends = states[torch.arange(3), torch.tensor([3, 5, 1])][:, None]
    assert torch.equal(hidden, torch.where(chosen[..., None], ends, states))
    assert torch.equal(hidden[:, 0], states[:, 0])
    assert torch.equal(hidden[is_end], states[is_end])


def test_no_word_is_hidden_where_none_should_be():
    assert not choose_hidden(torch.zeros(2, 5, dtype=torch.bool), 0.0).any()


def test_captions_of_posters_are_worded_alike_in_every_process_and_labelled(posters):
    tokenizer = StartingWeights(PIPELINE_FOLDER.parent).tokenizer()
    worded, again = (word_posters(posters, tokenizer, LOOSE, "wording") for _ in range(2))
    assert worded.tokens.shape == (60, NUM_WORDINGS, 48)
    assert torch.equal(worded.tokens, again.tokens)
    assert torch.equal(worded.genres, attribute_labels([posters.spec(i) for i in range(60)])[1])
    assert len({tuple(row) for row in worded.tokens[7].tolist()}) > NUM_WORDINGS // 2
    words = tokenizer.decode(worded.captions(torch.tensor([7]))[0], skip_special_tokens=True)
    names = [name for genre in posters.spec(7).genres for name in GENRE_WORDS.get(genre, (genre.lower(),))]
    assert any(name in words for name in names)


def test_posters_are_softened_at_most_to_the_mean_of_their_neighbours():
    sharp = torch.randint(0, 256, (16, 12, 12, 3), dtype=torch.uint8)
    soft = soften(sharp)
    assert soft.shape == sharp.shape
    same = (soft == sharp).flatten(1).all(1)
    assert same.any()
    assert not same.all()
    assert soft.float().std() < sharp.float().std()


def test_times_of_a_drawing_are_those_that_its_scheduler_visits():
    scheduler = DPMSolverMultistepScheduler(**SCHEDULE)
    scheduler.set_timesteps(DRAWING_STEPS)
    times = drawing_times(400, torch.device("cpu"))
    assert set(times.tolist()) == set(scheduler.timesteps.tolist())
    assert (times > 500).float().mean() > 0.5


def test_most_times_of_the_polish_are_those_of_a_drawing_and_all_times_occur():
    torch.manual_seed(0)
    times = seen_times(4000, torch.device("cpu"))
    drawn = torch.isin(times, drawing_times(400, torch.device("cpu")))
    assert 0.55 < drawn.float().mean() < 0.65
    assert (times.min(), times.max()) == (0, 999)
    assert len(set(times.tolist())) > 700


def test_untold_palette_and_style_are_labelled_by_their_habits():
    specs = [PosterSpec(("Horror", "Comedy"), era="1980s"), PosterSpec(("War",), "neon", "oil")]
    labels, genres = attribute_labels(specs)
    parts = torch.split(labels, CLASSES, -1)
    assert all(part.sum(-1).tolist() == pytest.approx([1, 1]) for part in parts)
    assert parts[1][0, PALETTES.index("crimson")] == pytest.approx(0.5)
    assert parts[1][1, PALETTES.index("neon")] == parts[2][1, tuple(STYLES).index("oil")] == 1
    assert genres.sum(-1).tolist() == [2, 1]


def test_conditions_between_captions_are_not_too_far_from_their_own():
    torch.manual_seed(0)
    shares = choose_shares(4000, MIXED_CONDITIONS, torch.device("cpu"))
    assert 0.45 < (shares > 0).float().mean() < 0.55
    assert 0.9 * FARTHEST_MIX < shares.max() <= FARTHEST_MIX
    states = torch.randn(3, 5, 4)
    mixed = mix_states(states, torch.tensor([0.0, 0.5, 1.0]))
    assert torch.equal(mixed[0], states[0])
    assert torch.allclose(mixed[1], (states[1] + states[2]) / 2)
    assert torch.equal(mixed[2], states[0])
    assert not choose_shares(100, 0.0, torch.device("cpu")).any()


@pytest.fixture
def lessons(posters, tmp_path):
    start = StartingWeights(PIPELINE_FOLDER.parent)
    latents, reader = torch.randn(60, 16, 16, 16), start.text_encoder()
    recipe = replace(RECIPES["small"], painter_batch=2, distil_steps=2)
    where = (torch.device("cpu"), tmp_path, lambda *_: None)
    return Lessons(recipe, 1, latents, posters, start.tokenizer(), reader, *where)


def test_what_is_distilled_is_the_velocity_with_guidance(lessons):
    painter = StartingWeights(PIPELINE_FOLDER.parent).painter(torch.device("cpu"))
    tokens = tokenize(lessons.tokenizer, ["western film poster", ""])
    states = lessons.states(tokens)
    noisy, times = torch.randn(2, 16, 16, 16), torch.tensor([999, 499])
    with torch.no_grad():
        towards, away = (painter(noisy[:1], times[:1], states[i : i + 1]).sample for i in (0, 1))
        plain = painter(noisy[1:], times[1:], states[1:]).sample
        guided = lessons._guided(painter)(noisy, times, states)
    assert torch.allclose(guided[:1], away + 3.5 * (towards - away), atol=1e-3)
    assert torch.allclose(guided[1:], plain, atol=1e-3)


def test_distilling_changes_the_painter_and_not_its_reader(lessons):
    painter = StartingWeights(PIPELINE_FOLDER.parent).painter(torch.device("cpu"))
    before = [p.detach().clone() for p in painter.parameters()]
    reader = [p.detach().clone() for p in lessons.text_encoder.parameters()]
    lessons.distil(painter)
    assert any(not torch.equal(a, b) for a, b in zip(before, painter.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in zip(reader, lessons.text_encoder.parameters(), strict=True))


def test_a_training_of_no_steps_gives_back_the_weights_it_started_from(posters, tmp_path):
    (tmp_path / "posters").symlink_to(posters.folder)
    nothing = dict.fromkeys(
        ("reader_steps", "wording_steps", "judge_steps", "codec_steps", "painter_steps", "polish_steps"), 0
    )
    recipe = replace(RECIPES["refine"], num_posters=60, distil_steps=0, **nothing)
    start = StartingWeights(PIPELINE_FOLDER.parent)
    run = TrainingRun(recipe, posters.seed, tmp_path, torch.device("cpu"), lambda *_: None, start)
    pipeline, judge = run.train(lambda _: None)
    for made, shipped in ((pipeline, PIPELINE_FOLDER), (judge, JUDGE_FOLDER)):
        for file in shipped.rglob("*.safetensors"):
            ours, theirs = load_file(made / file.relative_to(shipped)), load_file(file)
            assert ours.keys() == theirs.keys()
            assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert read_statement(pipeline / STATEMENT) == OwnSampling(DRAWING_STEPS, 1.0, is_distilled=True)
    assert StartingWeights(tmp_path).cells().components.equal(start.cells().components)
    for file in PIPELINE_FOLDER.rglob("*.json"):
        assert (pipeline / file.relative_to(PIPELINE_FOLDER)).read_text() == file.read_text(), file.name


@pytest.fixture
def start_with_a_small_judge(tmp_path):
    """The bundled weights, with a judge that is narrower and sees coarser patches."""
    start = StartingWeights(PIPELINE_FOLDER.parent)
    config = start.judge().config
    config.vision_config.update({"hidden_size": 128, "intermediate_size": 512, "patch_size": 16})
    folder = tmp_path / "start"
    save_judge(folder / "judge", start.tokenizer(), CLIPModel(config))
    (folder / "pipeline").symlink_to(PIPELINE_FOLDER)
    return StartingWeights(folder)


@pytest.mark.parametrize(("size", "width"), [("refine", 128), ("gpu", 192)])
def test_a_judge_learns_on_in_its_width_or_begins_anew_and_sees_fine_patches(
    posters, tmp_path, start_with_a_small_judge, size, width
):
    (tmp_path / "posters").symlink_to(posters.folder)
    recipe = replace(RECIPES[size], num_posters=60, judge_steps=1, judge_batch=8)
    start = start_with_a_small_judge
    run = TrainingRun(recipe, posters.seed, tmp_path, torch.device("cpu"), lambda *_: None, start)
    vision = run._train_judge(posters, start.tokenizer()).config.vision_config
    assert (vision.hidden_size, vision.patch_size) == (width, PATCH_PIXELS)


@pytest.mark.whole
def test_captions_are_worded_after_many_threads_have_computed(tmp_path):
    program = (
        "import torch\n"
        "from pathlib import Path\n"
        "from fan_model.bundled import PIPELINE_FOLDER\n"
        "from fan_model.studio.posters.captions import LOOSE\n"
        "from fan_model.studio.training.poster_set import PosterSet\n"
        "from fan_model.studio.training.starting_weights import StartingWeights\n"
        "from fan_model.studio.training.worded_posters import word_posters\n"
        "torch.randn(2000, 2000).exp().sum()\n"
        "tokenizer = StartingWeights(PIPELINE_FOLDER.parent).tokenizer()\n"
        f"worded = word_posters(PosterSet(Path({str(tmp_path)!r}), 1, 600), tokenizer, LOOSE, 'wording')\n"
        "print(len(worded.tokens))\n"
    )
    environment = os.environ | {"OMP_NUM_THREADS": "2", "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, "-c", program]
    told = subprocess.run(command, env=environment, timeout=120, check=True, capture_output=True, text=True)
    assert told.stdout.split() == ["600"]


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
