import pytest
import torch

from fan_model.encoders.class_token import ClassTokenDetector, train_detector
from fan_model.encoders.key_value_cache import KeyValueCache
from fan_model.encoders.personalized_encoders import ClipEncoder
from fan_model.encoders.text_encoders import ClipTower, Profile, end_positions
from fan_model.method.personalization import Personalization
from fan_model.studio.training.train_class_token import detection_rate
from tests.fan_model.pipelines import END_TOKEN, clip_text_model, clip_tokenizer

CAPTIONS = [" ".join(["a", "noir", "poster", "of", "it"][: 1 + i % 5]) + f" {i % 10}" for i in range(60)]


@pytest.fixture(scope="module")
def model():
    return clip_text_model()


@pytest.fixture(scope="module")
def token_ids():
    tokens = clip_tokenizer()(CAPTIONS, padding="max_length", truncation=True, return_tensors="pt")
    return tokens.input_ids


@pytest.fixture(scope="module")
def trained(model, token_ids):
    positions = end_positions(token_ids, END_TOKEN)
    return train_detector(ClipEncoder(model), token_ids, positions, num_epochs=10, learning_rate=1e-2)


def test_the_end_is_the_first_end_token_not_the_padding_after_it():
    ids = torch.tensor([[1, 5, 9, 9, 9], [1, 9, 9, 9, 9]])
    assert end_positions(ids, 9).tolist() == [2, 1]


def test_checkpoints_with_the_old_end_id_end_at_their_largest_token():
    assert end_positions(torch.tensor([[1, 5, 49_407, 0, 0]]), 2).tolist() == [2]


def test_training_lowers_the_loss(trained):
    _, losses = trained
    assert len(losses) == 10
    assert losses[-1] < losses[0]


def test_training_is_reproducible(model, token_ids, trained):
    again, _ = train_detector(
        ClipEncoder(model), token_ids, end_positions(token_ids, END_TOKEN), num_epochs=10, learning_rate=1e-2
    )
    weights = zip(trained[0].parameters(), again.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in weights)


def test_saved_and_published_formats_load_alike(trained, tmp_path):
    detector, _ = trained
    detector.save(tmp_path / "detector.safetensors")
    torch.save(detector.state_dict(), tmp_path / "detector.pth")
    states = torch.randn(4, 24, 32)
    for name in ("detector.safetensors", "detector.pth"):
        torch.testing.assert_close(ClassTokenDetector.load(tmp_path / name)(states), detector(states))


def test_a_file_of_something_else_is_refused(tmp_path):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"other.pth does not hold a class-token detector's weights"):
        ClassTokenDetector.load(tmp_path / "other.pth")


def test_the_detection_rate_is_a_share(model, token_ids, trained):
    positions = end_positions(token_ids, END_TOKEN)
    rate = detection_rate(ClipEncoder(model), trained[0], token_ids, positions, alpha=0.0)
    assert 1 / token_ids.shape[1] < rate <= 1


def test_a_tower_reads_where_its_detector_says(model):
    class FirstToken(ClassTokenDetector):
        def find(self, states):
            return torch.zeros(len(states), dtype=torch.long)

    profile, how = Profile("a noir poster", ("pastel",), (1.0,)), Personalization()
    tower = ClipTower(model, clip_tokenizer(), KeyValueCache(2**20), FirstToken(32))
    encoding = tower.personalize([profile], how)
    torch.testing.assert_close(encoding.pooled, encoding.last[:, 0])
    known = ClipTower(model, clip_tokenizer(), KeyValueCache(2**20)).personalize([profile], how)
    torch.testing.assert_close(known.pooled, known.last[:, 1 + len("anoirposter")])
