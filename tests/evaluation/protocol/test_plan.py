"""What a variant draws, of what, and each picture once for all variants."""

import io
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from evaluation.protocol import plan as plans
from evaluation.protocol.plan import draw_variant, plan_variant, read_pictures
from evaluation.protocol.selection import (
    select_bm25,
    select_coreset,
    select_random,
    select_recent,
    select_similar,
)
from evaluation.protocol.study import build_study, random_numbers
from evaluation.protocol.variants import ANOTHER, CONCATENATED, FULL, PLAIN, make_variants
from fan_model.bundled import PIPELINE_FOLDER
from fan_model.drawing.artist import Artist
from fan_model.drawing.limits import RequestLimits
from fan_model.drawing.text_filter import Blocklist
from fan_model.loading.own_sampling import OwnSampling, write_statement
from fan_model.method.crowd_contrast import Crowd
from fan_model.method.selection_policy import SelectionPolicy
from tests.evaluation.protocol.test_study import ORIGIN, design, histories, targets


@pytest.fixture(scope="module")
def artist_of_few_steps(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "pipeline"
    shutil.copytree(PIPELINE_FOLDER, folder)
    write_statement(folder, OwnSampling(2, 1.0, is_distilled=True))
    return Artist.load(folder)


def test_the_pictures_asked_for_are_those_that_a_model_of_few_steps_draws(artist_of_few_steps):
    tables = {"histories": histories({"a": 2, "b": 2}), "targets": targets("a", "b")}
    study = build_study(design(), ORIGIN, artist_of_few_steps, **tables)
    (full,) = [one for one in make_variants(alpha=0.4, skip_layers=()) if one.name == FULL]
    plan = plan_variant(study, full)
    first = replace(plan, requests=plan.requests[:1])
    (drawn,) = artist_of_few_steps.draw(first.requests, first.options)
    assert artist_of_few_steps.complete(first.options).steps == 2
    assert drawn.artwork_digest == plan.digests[0]


CROWD = Crowd(("what everybody likes", "a liked 1"), (1.0, 3.0))
VARIANTS = {
    one.name: one
    for one in make_variants(
        alpha=0.4,
        skip_layers=(0,),
        contrast=2.0,
        keep_words=True,
        policy=SelectionPolicy(max_references=2, min_references=2, distinctive=True),
        alphas=(0.2,),
    )
}


@pytest.fixture(scope="module")
def artist():
    return Artist.load(PIPELINE_FOLDER)


@pytest.fixture(scope="module")
def study(artist):
    tables = {"histories": histories({"a": 10, "b": 9, "c": 8}), "targets": targets("c", "a", "b")}
    return build_study(design(), ORIGIN, artist, **tables, crowd=CROWD)


def requests_of(study, name):
    """Of a variant's requests, in the order of the users."""
    plan = plan_variant(study, VARIANTS[name])
    owned = zip([target.owner for target in study.targets], plan.requests, strict=True)
    return [request for _, request in sorted(owned, key=lambda pair: pair[0])]


def weights_of(user, request):
    known = dict(zip(user.offered.texts, user.offered.weights.tolist(), strict=True))
    return tuple(known[text] for text in request.references)


def test_a_variant_changes_the_options_that_it_is_named_after_and_no_other(study):
    full = plan_variant(study, VARIANTS[FULL]).options
    assert (full.alpha, full.contrast, full.skip_layers, full.keep_words) == (0.4, 2.0, (0,), True)
    assert (full.crowd, full.crowd_weights) == (CROWD.texts, CROWD.weights)
    changed = {
        "without contrast": {"contrast": 0.0},
        "without skip": {"skip_layers": ()},
        "without kept words": {"keep_words": False},
        "without target query": {"target_query": False},
        "alpha 0.2": {"alpha": 0.2, "contrast": 0.0, "keep_words": False},
        "random": {},
    }
    for name, values in changed.items():
        assert plan_variant(study, VARIANTS[name]).options == replace(full, **values), name


def test_a_plain_picture_is_made_of_the_target_alone_and_a_control_of_the_next_users_taste(study):
    names = [f"{user}'s film" for user in "abc"]
    for name in (PLAIN, FULL, ANOTHER):
        requests = requests_of(study, name)
        assert [(one.prompt, one.seed) for one in requests] == [(text, 7) for text in names]
    assert {one.references for one in requests_of(study, PLAIN)} == {()}
    own, others = requests_of(study, FULL), requests_of(study, ANOTHER)
    for place, (request, other) in enumerate(zip(own, others, strict=True)):
        user, following = study.users[place], study.users[(place + 1) % 3]
        assert len(request.references) == len(other.references) == 2
        assert request.weights == weights_of(user, request)
        assert other.weights == weights_of(following, other)


def test_references_are_written_behind_the_prompt_as_far_as_the_model_reads(study):
    for request, written in zip(requests_of(study, FULL), requests_of(study, CONCATENATED), strict=True):
        assert written.prompt == ", ".join([request.prompt, *request.references])
        assert (written.references, written.seed) == ((), 7)
    short = replace(study, artist=Artist.load(PIPELINE_FOLDER, limits=RequestLimits(max_characters=20)))
    assert {len(one.prompt) for one in requests_of(short, CONCATENATED)} == {20}


def test_each_way_to_select_is_given_the_users_own_history_and_what_it_asks_for(study):
    def texts(name):
        return [one.references for one in requests_of(study, name)]

    assert texts("without profiling") == [user.offered.texts for user in study.users]
    for place, user in enumerate(study.users):
        own, vectors = study.vectors_of([f"{chr(user.lot)}'s film"]), study.vectors_of(user.offered.texts)
        history, item = user.offered, f"of {chr(user.lot)}"

        def chance(way, user=user, item=item):
            return random_numbers(study.design.seed, way, str(user.lot), item)

        expected = {
            "random": select_random(len(history), 2, chance("random")),
            "recent": select_recent(history.event_times, 2),
            "similarity": select_similar(vectors.mean_unit_tokens @ own.mean_unit_tokens[0], 2),
            "bm25": select_bm25(f"{chr(user.lot)}'s film", history.texts, 2),
            "coreset": select_coreset(vectors.unit_mean_tokens, 2, chance("coreset")),
            FULL: VARIANTS[FULL].policy.select(own, vectors, history.weights, crowd=study.crowd_mean).indices,
        }
        for name, places in expected.items():
            assert texts(name)[place] == history.take(np.asarray(places)).texts, name


class Shelf:
    """Pictures of one colour in the place of drawn ones, and in which lots they were asked for."""

    def __init__(self, *known):
        self.files, self.lots = dict.fromkeys(known, b""), []

    def is_known(self, digest):
        return digest in self.files

    def draw(self, requests, options):
        self.lots.append((list(requests), options))
        for digest, request in requests.items():
            picture = io.BytesIO()
            Image.new("L", (2, 2), len(request.references)).save(picture, "PNG")
            self.files[digest] = picture.getvalue()

    def read(self, digest):
        return self.files.get(digest)


def test_what_is_drawn_is_what_is_missing_a_few_at_a_time_and_each_picture_once(study, monkeypatch):
    monkeypatch.setattr(plans, "PICTURES_PER_SAVE", 2)
    twice = replace(study, targets=(*study.targets, *study.targets))
    plan = plan_variant(twice, VARIANTS[FULL])
    first, second, third = plan.digests[:3]
    assert plan.digests[3:] == (first, second, third)
    shelf = Shelf()
    assert draw_variant(twice, VARIANTS[FULL], shelf) == 3
    assert [len(lot) for lot, _ in shelf.lots] == [2, 1]
    assert {options for _, options in shelf.lots} == {plan.options}
    assert draw_variant(twice, VARIANTS[FULL], shelf) == 0
    one_refused = Shelf(second)
    assert draw_variant(study, VARIANTS[FULL], one_refused) == 2
    assert [lot for lot, _ in one_refused.lots] == [[first, third]]
    pictures = list(read_pictures(one_refused, [first, second, "unknown"]))
    assert [one and (one.mode, one.getpixel((0, 0))) for one in pictures] == [("RGB", (2, 2, 2)), None, None]


def test_what_the_text_filter_of_today_refuses_is_not_asked_for(study):
    filtered = replace(study, artist=Artist.load(PIPELINE_FOLDER, text_filter=Blocklist(["b's"])))
    shelf = Shelf()
    assert draw_variant(filtered, VARIANTS[PLAIN], shelf) == 2
    plan = plan_variant(study, VARIANTS[PLAIN])
    blocked = [one.prompt == "b's film" for one in plan.requests]
    assert [shelf.is_known(digest) for digest in plan.digests] == [not one for one in blocked]


def test_a_part_of_a_plan_is_of_its_own_targets(study):
    plan = plan_variant(study, VARIANTS[FULL])
    part = plan.take([2, 0])
    assert part.requests == (plan.requests[2], plan.requests[0])
    assert part.digests == (plan.digests[2], plan.digests[0])
    assert part.options == plan.options
    features = plan.features([0, 1, 2])
    np.testing.assert_allclose(plan.features([2, 0]), features[[2, 0]], atol=1e-5)
    plain = plan_variant(study, VARIANTS[PLAIN]).features([0, 1, 2])
    assert np.abs(features - plain).max() > 0.01
