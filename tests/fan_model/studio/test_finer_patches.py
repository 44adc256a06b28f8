"""A judge that sees smaller patches begins with what it knew of larger ones."""

import pytest
import torch
from transformers import CLIPConfig, CLIPModel

from fan_model.studio.training.finer_patches import with_finer_patches

PIXELS = 32


@pytest.fixture
def judge():
    torch.manual_seed(1)
    tower = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {"vocab_size": 10, "max_position_embeddings": 8, "eos_token_id": 9}
    vision = {"image_size": PIXELS, "patch_size": 16}
    config = CLIPConfig(text_config=tower | text, vision_config=tower | vision, projection_dim=8)
    return CLIPModel(config).eval()


def test_patches_are_as_small_as_asked_and_each_has_a_place(judge):
    finer = with_finer_patches(judge, 4).eval()
    assert finer.config.vision_config.patch_size == 4
    seen = finer.vision_model(torch.rand(1, 3, PIXELS, PIXELS)).last_hidden_state
    assert seen.shape == (1, 1 + (PIXELS // 4) ** 2, 16)
    assert judge.config.vision_config.patch_size == 16


def test_texts_are_read_as_before(judge):
    tokens = torch.tensor([[3, 4, 9]])
    before, after = (clip.get_text_features(tokens) for clip in (judge, with_finer_patches(judge, 8).eval()))
    assert torch.equal(before.pooler_output, after.pooler_output)


def test_a_patch_is_seen_by_the_means_of_the_old_weights(judge):
    both = judge, with_finer_patches(judge, 8)
    old, new = (clip.vision_model.embeddings.patch_embedding.weight for clip in both)
    assert torch.allclose(new[:, :, 0, 0], old[:, :, :2, :2].mean((2, 3)))
    assert torch.allclose(new.mean((2, 3)), old.mean((2, 3)), atol=1e-6)


def test_places_lie_between_the_old_ones_and_the_first_token_keeps_its_own(judge):
    old, new = (
        clip.vision_model.embeddings.position_embedding.weight
        for clip in (judge, with_finer_patches(judge, 8))
    )
    assert torch.equal(old[0], new[0])
    grid = new[1:].reshape(4, 4, -1)
    assert torch.allclose(torch.stack([grid[0, 0], grid[0, -1], grid[-1, 0], grid[-1, -1]]), old[1:])
    assert torch.allclose(grid[0, 1], 0.75 * old[1] + 0.25 * old[2])


def test_a_judge_whose_patches_are_small_already_stays_what_it_is(judge):
    assert with_finer_patches(judge, 16) is judge


def test_patches_that_do_not_divide_the_old_ones_are_refused(judge):
    with pytest.raises(ValueError, match="16 pixels cannot be parted into 5"):
        with_finer_patches(judge, 5)
