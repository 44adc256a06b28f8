from dataclasses import replace

import pytest
import torch

from evaluation.peers.drum_adapter import (
    AdapterFileError,
    ConditionAdapter,
    load_adapter,
    save_adapter,
)
from evaluation.peers.drum_training import (
    AdapterCourse,
    OtherTrainingError,
    adapter_loss,
    common_part,
    train_adapter,
)
from tests.evaluation.peers.peer_cases import ORIGIN, make_adapter

pytestmark = pytest.mark.whole

COURSE = AdapterCourse(
    encoder_fingerprint="encoder", captions_digest="captions", num_steps=6, batch=4, max_references=2
)


@pytest.fixture(scope="module")
def states():
    """Conditions of twenty captions, of five tokens, 32 wide."""
    return torch.randn(20, 5, 32, generator=torch.Generator().manual_seed(1))


def weights_of(adapter):
    return torch.cat([weight.detach().flatten() for weight in adapter.parameters()])


def case(states, count=2, alpha=0.5):
    return states[:1], states[None, 1 : 1 + count], torch.full((1, count), 1 / count), torch.tensor([alpha])


class StopError(Exception):
    pass


def stop_after(steps):
    def report(done, _):
        if done == steps:
            raise StopError

    return report


def untrained(width=32):
    return ConditionAdapter(torch.zeros(1, width))


def test_an_untrained_adapter_points_where_the_mean_does(states):
    target, references, weights, alpha = case(states)
    made = untrained()(target, references, weights, alpha)
    mean = 0.5 * target + 0.5 * references.mean(dim=1)
    assert torch.nn.functional.cosine_similarity(made, mean, dim=-1).min() > 0.999


def test_a_reference_of_weight_0_is_not_heard(states):
    target, references, weights, alpha = case(states)
    adapter = make_adapter()
    weights = torch.tensor([[1.0, 0.0]])
    one = adapter(target, references, weights, alpha)
    other = adapter(target, torch.stack([references[:, 0], 9 * references[:, 1]], dim=1), weights, alpha)
    torch.testing.assert_close(one, other)


def test_what_captions_have_in_common_stays_and_the_rest_is_as_long_as_the_targets(states):
    target, references, weights, alpha = case(states)
    adapter = make_adapter()
    adapter.common.fill_(3.0)
    made = adapter(target, references, weights, alpha)
    torch.testing.assert_close((made - 3).norm(dim=-1), (target - 3).norm(dim=-1))
    same = torch.full_like(target, 3.0)
    torch.testing.assert_close(adapter(same, references, weights, alpha), same)


def test_what_captions_have_in_common_is_their_mean_by_position_where_there_is_room(states):
    torch.testing.assert_close(common_part(states), states.mean(dim=0))
    wide = torch.ones(2, 300, 1000)
    assert common_part(wide).shape == (1, 1000)


def test_training_makes_the_loss_smaller(states, tmp_path):
    course = replace(COURSE, num_steps=150, learning_rate=3e-3, batch=16)
    adapter, _ = train_adapter(states, course, tmp_path / "checkpoint")
    count = len(states) - 2
    cases = (
        states[:count],
        torch.stack([states[1 : count + 1], states[2:]], dim=1),
        torch.full((count, 2), 0.5),
        torch.full((count,), 0.5),
    )
    with torch.no_grad():
        assert adapter_loss(adapter, *cases) < adapter_loss(ConditionAdapter(common_part(states)), *cases)


def test_a_seed_gives_the_same_weights_and_another_seed_others(states, tmp_path):
    runs = [
        weights_of(train_adapter(states, replace(COURSE, seed=seed), tmp_path / f"{place}")[0])
        for place, seed in enumerate((0, 0, 1))
    ]
    torch.testing.assert_close(runs[0], runs[1], atol=0, rtol=0)
    assert (runs[0] != runs[2]).any()


def test_a_training_that_was_stopped_goes_on_as_if_it_had_not(states, tmp_path, monkeypatch):
    monkeypatch.setattr("evaluation.peers.drum_training.SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    whole, _ = train_adapter(states, COURSE, tmp_path / "whole")
    with pytest.raises(StopError):
        train_adapter(states, COURSE, tmp_path / "stopped", stop_after(4))
    steps = []
    resumed, origin = train_adapter(states, COURSE, tmp_path / "stopped", lambda done, _: steps.append(done))
    assert steps == [4, 5, 6]
    assert (origin.num_steps, origin.num_captions) == (6, 20)
    torch.testing.assert_close(weights_of(resumed), weights_of(whole), atol=0, rtol=0)


def test_a_checkpoint_of_another_training_is_refused(states, tmp_path):
    train_adapter(states, COURSE, tmp_path / "checkpoint")
    with pytest.raises(OtherTrainingError, match="checkpoint is of another training .* remove it"):
        train_adapter(states, replace(COURSE, seed=5), tmp_path / "checkpoint")


def test_saved_weights_are_small_and_do_what_they_did(states, tmp_path):
    adapter, file = make_adapter(), tmp_path / "deep" / "adapter.safetensors"
    save_adapter(adapter, ORIGIN, file)
    loaded, origin = load_adapter(file, "encoder")
    assert (origin, loaded.fingerprint) == (ORIGIN, adapter.fingerprint)
    torch.testing.assert_close(loaded(*case(states)), adapter(*case(states)), atol=0.02, rtol=0.02)


@pytest.mark.parametrize("width", [128, 768, 2048, 4096])
def test_the_file_stays_below_4_megabytes_for_every_encoder(width):
    common = common_part(torch.empty(1, 77, width))
    assert 2 * ConditionAdapter(common).num_parameters < 4 * 2**20


def test_an_adapter_of_another_encoder_is_refused(tmp_path):
    save_adapter(make_adapter(), ORIGIN, tmp_path / "a.safetensors")
    with pytest.raises(AdapterFileError, match="a.safetensors is the adapter of another text encoder"):
        load_adapter(tmp_path / "a.safetensors", "another")


@pytest.mark.parametrize("content", [None, b"nothing"])
def test_a_file_without_an_adapter_is_refused(tmp_path, content):
    file = tmp_path / "b.safetensors"
    if content:
        file.write_bytes(content)
    with pytest.raises(AdapterFileError, match="b.safetensors holds no adapter: train one"):
        load_adapter(file, "encoder")
