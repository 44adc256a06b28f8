"""Recipes: a setting changes the digest of what depends on it, and of nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fan_model.method.crowd_contrast import CrowdPolicy
from fan_model.method.selection_policy import SelectionPolicy
from feature_store.tables.item_pictures.reference_pictures import CrowdPicture
from flows.evaluation_settings import Evaluation
from flows.image_settings import Images
from flows.settings import Drawing, Safety, Settings, Start, Targets, Texts
from flows.stages.recipes import (
    crowd_recipe,
    drawing_recipe,
    evaluation_recipe,
    item_seed,
    profile_recipe,
    targets_recipe,
)

SOURCES = [{"adapter": "movielens", "path": "logs"}]


def recipes(settings):
    return (
        targets_recipe(settings),
        profile_recipe(settings, "encoder"),
        drawing_recipe(settings, "pipeline"),
    )


def changed(**values):
    """Tell which of targets, profiles and pictures are made anew when a setting changes."""
    before, after = recipes(Settings(sources=SOURCES)), recipes(Settings(sources=SOURCES, **values))
    return tuple(old != new for old, new in zip(before, after, strict=True))


def test_alpha_belongs_to_the_pictures_alone():
    assert changed(drawing=Drawing(alpha=0.9)) == (False, False, True)


def test_the_fraction_of_references_belongs_to_the_profiles():
    assert changed(profile=SelectionPolicy(fraction=0.5)) == (False, True, False)


def test_a_template_belongs_to_the_profiles():
    assert changed(texts=Texts(target_template="{title}")) == (False, True, False)


def test_the_number_of_targets_belongs_to_the_targets():
    assert changed(targets=Targets(per_user=3)) == (True, False, False)


def test_the_seed_belongs_to_targets_and_pictures():
    assert changed(seed=7) == (True, False, True)


@pytest.mark.parametrize(
    ("values", "digests"),
    [
        (
            {},
            (
                "3ee6912f67c2da7f",
                "6037bebeef8e69e9",
                "cc4bacb75b3cc64b",
                "6e9b720f0c79b609",
                "20259716270a3368",
            ),
        ),
        (
            {
                "images": Images(references="both"),
                "start": Start(strength=0.4),
                "safety": Safety(text_filter="own.filters:strict"),
            },
            (
                "3ee6912f67c2da7f",
                "6037bebeef8e69e9",
                "c02f340713dd8dc2",
                "0e3f5097665adab3",
                "20259716270a3368",
            ),
        ),
    ],
    ids=["defaults", "all that is left out elsewhere"],
)
def test_a_new_release_makes_nothing_anew_by_itself(values, digests):
    """A digest that is another one lets all users' pictures be drawn again: tell it in the changelog."""
    settings = Settings(sources=SOURCES, **values)
    crowd = [CrowdPicture(sha256="a", uri="a.png", weight=1.0)]
    assert (
        targets_recipe(settings),
        crowd_recipe(settings, "encoder"),
        profile_recipe(settings, "encoder", "crowd"),
        drawing_recipe(settings, "pipeline", "crowd", crowd),
        evaluation_recipe(settings, "pipeline"),
    ) == digests
    assert item_seed(settings, "item") == 1221658543


def test_limits_and_folders_belong_to_nothing():
    assert changed(max_users="all", workspace="elsewhere", bucket_users=3) == (False, False, False)


def test_what_is_never_drawn_belongs_to_the_pictures(tmp_path):
    blocklist = tmp_path / "blocked.txt"
    blocklist.write_text("a phrase\n", encoding="utf-8")
    assert changed(safety=Safety(blocklist=blocklist)) == (False, False, True)
    before = recipes(Settings(sources=SOURCES, safety=Safety(blocklist=blocklist)))
    blocklist.write_text("un caf\u00e9\n", encoding="utf-8")
    assert recipes(Settings(sources=SOURCES, safety=Safety(blocklist=blocklist)))[2] != before[2]
    assert changed(safety=Safety(text_filter="own.filters:strict")) == (False, False, True)


def test_how_much_of_its_own_picture_is_drawn_over_belongs_to_the_pictures():
    assert changed(start=Start(strength=0.4)) == (False, False, True)
    strengths = [Settings(sources=SOURCES, start=Start(strength=strength)) for strength in (0.4, 0.6)]
    assert len({drawing_recipe(settings, "pipeline") for settings in strengths}) == 2


@pytest.mark.parametrize(
    "values",
    [
        {"evaluation": Evaluation(sample=3)},
        {"drawing": Drawing(alpha=0.9)},
        {"profile": SelectionPolicy(fraction=0.5)},
        {"crowd": CrowdPolicy(size=7)},
        {"texts": Texts(target_template="{title}")},
        {"seed": 7},
    ],
    ids=lambda values: next(iter(values)),
)
def test_what_an_evaluation_finds_belongs_to_what_it_draws_and_how_it_measures(values):
    before, after = Settings(sources=SOURCES), Settings(sources=SOURCES, **values)
    assert evaluation_recipe(after, "pipeline") != evaluation_recipe(before, "pipeline")


def test_an_evaluation_is_as_before_in_another_workspace_and_another_with_another_pipeline():
    before, moved = (
        Settings(sources=SOURCES),
        Settings(sources=SOURCES, workspace="elsewhere", max_users="all"),
    )
    assert evaluation_recipe(moved, "pipeline") == evaluation_recipe(before, "pipeline")
    assert evaluation_recipe(before, "other") != evaluation_recipe(before, "pipeline")


def test_the_crowd_belongs_to_what_looks_at_it():
    plain = Settings(sources=SOURCES)
    distinctive = Settings(sources=SOURCES, profile=SelectionPolicy(distinctive=True))
    contrasted = Settings(sources=SOURCES, drawing=Drawing(contrast=0.5))
    assert profile_recipe(plain, "e", "c1") == profile_recipe(plain, "e", "c2")
    assert profile_recipe(distinctive, "e", "c1") != profile_recipe(distinctive, "e", "c2")
    assert drawing_recipe(plain, "p", "c1") == drawing_recipe(plain, "p", "c2")
    assert drawing_recipe(contrasted, "p", "c1") != drawing_recipe(contrasted, "p", "c2")


def test_what_a_crowd_is_chosen_by_belongs_to_the_crowd_and_how_long_it_stays_does_not():
    def recipe(**values):
        return crowd_recipe(Settings(sources=SOURCES, crowd=CrowdPolicy(**values)), "e")

    assert len({recipe(), recipe(size=7), recipe(least_users=9)}) == 3
    assert recipe() == recipe(max_drift=1.0)


def test_another_encoder_or_pipeline_makes_its_rows_anew():
    settings = Settings(sources=SOURCES)
    assert profile_recipe(settings, "one") != profile_recipe(settings, "other")
    assert drawing_recipe(settings, "one") != drawing_recipe(settings, "other")


@given(seed=st.integers(0, 2**31 - 1), item_id=st.text(max_size=20))
def test_an_items_seed_is_the_same_every_night_and_fits_a_generator(seed, item_id):
    settings = Settings(sources=SOURCES, seed=seed)
    assert 0 <= item_seed(settings, item_id) < 2**31
    assert item_seed(settings, item_id) == item_seed(Settings(sources=SOURCES, seed=seed), item_id)


def test_items_and_seeds_have_noise_of_their_own():
    seeds = {item_seed(Settings(sources=SOURCES, seed=seed), item) for seed in range(5) for item in "abcde"}
    assert len(seeds) == 25


def test_settings_of_pictures_belong_to_nothing_as_long_as_none_act():
    unseen = Images(share=0.1, method="attention", alpha=0.1, path="adapter.safetensors", scale=1.5)
    assert changed(images=unseen) == (False, False, False)


def test_pictures_that_act_belong_to_profiles_and_pictures_and_how_they_act_to_pictures_alone():
    assert changed(images=Images(references="both")) == (False, True, True)
    both = [
        recipes(Settings(sources=SOURCES, images=Images(references="both", **how)))
        for how in ({}, {"share": 0.4}, {"method": "attention"}, {"alpha": 0.5})
    ]
    assert [len(set(column)) for column in zip(*both, strict=True)] == [1, 1, 4]


def test_the_pictures_of_a_crowd_belong_to_what_is_contrasted_with_them():
    settings = Settings(sources=SOURCES, images=Images(references="images", contrast=1.0))
    crowd = [CrowdPicture(sha256="a", uri="a.png", weight=1.0)]
    others = [CrowdPicture(sha256="b", uri="a.png", weight=1.0)]
    heavier = [CrowdPicture(sha256="a", uri="a.png", weight=2.0)]
    crowds = ((), crowd, others, heavier)
    assert len({drawing_recipe(settings, "pipeline", "crowd", pictures) for pictures in crowds}) == 4
