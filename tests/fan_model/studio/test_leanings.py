"""Between a caption and a taste: which conditions the painter learns, and what it draws of them."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from fan_model.bundled import PIPELINE_FOLDER
from fan_model.studio.posters.captions import GENRE_WORDS
from fan_model.studio.training.leanings import (
    FARTHEST,
    FIRST_SEEN,
    FULLY_SEEN,
    NUM_LIKED,
    Leanings,
    choose_shares,
    choose_weights,
    lean_latents,
    lean_states,
    seen,
    word_liked,
)
from fan_model.studio.training.poster_set import PosterSet, taste_of
from fan_model.studio.training.starting_weights import StartingWeights

CPU = torch.device("cpu")


def test_nothing_is_seen_of_a_taste_that_hardly_speaks_and_all_of_it_before_it_is_half_the_way():
    shares = torch.tensor([0.0, FIRST_SEEN, (FIRST_SEEN + FULLY_SEEN) / 2, FULLY_SEEN, FARTHEST])
    assert torch.allclose(seen(shares), torch.tensor([0.0, 0.0, 0.5, 1.0, 1.0]))


@given(st.integers(1, 50), st.integers(0, 1000))
def test_some_of_what_is_liked_speaks_equally_and_weighs_one(size, seed):
    torch.manual_seed(seed)
    weights = choose_weights(size, CPU)
    assert torch.allclose(weights.sum(-1), torch.ones(size))
    for row in weights:
        assert len(set(row[row > 0].tolist())) == 1
    shares = choose_shares(size, CPU)
    assert ((shares >= 0) & (shares <= FARTHEST)).all()


def test_conditions_of_others_in_a_batch_stay_as_they_are():
    states, liked = torch.randn(3, 5, 4), torch.randn(2, NUM_LIKED, 5, 4)
    weights = torch.eye(NUM_LIKED)[:2]
    leant = lean_states(states, liked, weights, torch.tensor([0.0, 0.5]))
    assert torch.equal(leant[[0, 2]], states[[0, 2]])
    assert torch.allclose(leant[1], (states[1] + liked[1, 1]) / 2)


def test_a_poster_dissolves_into_the_one_that_leans():
    plain, leaning = torch.zeros(3, 16, 16, 16), torch.ones(3, 16, 16, 16)
    drawn = lean_latents(plain, leaning, torch.tensor([0.0, 0.17, 0.5]))
    assert torch.allclose(drawn[:, 0, 0, 0], torch.tensor([0.0, 0.5, 1.0]))


def test_only_the_first_of_a_batch_lean_and_by_posters_of_their_own_numbers():
    latents = torch.arange(4.0)[:, None, None, None].expand(4, 16, 16, 16) + 100
    leanings = Leanings(latents, torch.arange(4)[:, None, None].expand(4, NUM_LIKED, 48).short())
    torch.manual_seed(0)
    batch = torch.zeros(3, 16, 16, 16), torch.ones(3)
    clean, other, liked, weights, shares = leanings.deal(batch, torch.tensor([3, 1]))
    assert torch.equal(other, batch[1])
    assert clean[2].eq(0).all()
    assert torch.allclose(clean[:2, 0, 0, 0], seen(shares) * torch.tensor([103.0, 101.0]))
    assert liked[:, 0, 0].tolist() == [3, 1]
    assert (weights.shape, shares.shape) == ((2, NUM_LIKED), (2,))


def test_what_is_liked_is_worded_alike_in_every_process_and_speaks_of_the_taste(tmp_path):
    posters, tokenizer = PosterSet(tmp_path, 5, 40), StartingWeights(PIPELINE_FOLDER.parent).tokenizer()
    liked, again = word_liked(posters, tokenizer), word_liked(posters, tokenizer)
    assert liked.shape == (40, NUM_LIKED, 48)
    assert torch.equal(liked, again)
    named = 0
    for number in range(40):
        genre = taste_of(5, number).genres[0]
        words = GENRE_WORDS.get(genre, (genre.lower(),))
        texts = [tokenizer.decode(tokens, skip_special_tokens=True) for tokens in liked[number].long()]
        named += sum(any(word in text for word in words) for text in texts)
    assert 0.65 < named / (40 * NUM_LIKED) < 0.95


def test_posters_that_lean_lie_beside_those_that_do_not(tmp_path):
    plain, leaning = (PosterSet(tmp_path, 5, 3, leaning=is_leaning) for is_leaning in (False, True))
    assert sum(plain.draw()) == sum(leaning.draw()) == 3
    numbers = torch.arange(3)
    assert not torch.equal(plain.pictures(numbers), leaning.pictures(numbers))
    assert sum(leaning.draw()) == 3
    assert len(list(tmp_path.iterdir())) == 2
