"""Peers as variants: the same study, digests that say what a picture is made of, and what it costs."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from evaluation.peers.fabric import Fabric
from evaluation.peers.mean_of_conditions import MeanOfConditions
from evaluation.peers.pmg import Pmg
from evaluation.protocol.costing import COSTS, measure_costs
from evaluation.protocol.design import StudyDesign, StudyOrigin
from evaluation.protocol.peer_plan import make_case, plan_peer
from evaluation.protocol.plan import draw_variant, plan_variant
from evaluation.protocol.study import UserHistory, build_study, least_liked
from evaluation.protocol.variants import ANOTHER, CONCATENATED, FULL, PLAIN, make_variants
from fan_model.drawing.requests import DrawingOptions
from tests.evaluation.peers.peer_cases import make_artist

ORIGIN = StudyOrigin(run_id="r", data_set="films", model_version="1", recipe_digest="d", snapshot_id=1)
DESIGN = StudyDesign(
    options=DrawingOptions(num_inference_steps=2, guidance_scale=4, num_references=None),
    seed=0,
    sample=0,
    targets_per_user=1,
    min_history=2,
    max_history=100,
    held_out=0.5,
    judge="bundled",
    confidence=0.95,
    sheet_users=2,
)
PEERS = {peer.name: peer for peer in (MeanOfConditions(0.4), Pmg(), Fabric())}


class Memory:
    """Pictures that are kept in memory."""

    def __init__(self, artist):
        self.artist, self.files = artist, {}

    def is_known(self, digest):
        return digest in self.files

    def draw(self, requests, options):
        drawn = self.artist.draw_each(list(requests.values()), options)
        self.files |= {digest: one.image for digest, one in zip(requests, drawn, strict=True)}

    def keep(self, digest, content):
        self.files[digest] = content

    def read(self, digest):
        return self.files.get(digest)


@pytest.fixture(scope="module")
def artist():
    return make_artist()


def study_of(artist, disliked=None, texts=("ox, red", "elk, red", "fox, ink", "cat, red")):
    rows = [
        {
            "user_key": user,
            "lot": user,
            "text": f"{text} {'ink' * user}",
            "weight": float(place + 1),
            "last_event_time": datetime(2020, 1, 1) - timedelta(days=place),
        }
        for user in (1, 2)
        for place, text in enumerate(texts)
    ]
    targets = [
        {"user_key": user, "item_id": f"of {user}", "target_text": "a dog", "seed": 7} for user in (1, 2)
    ]
    return build_study(
        DESIGN,
        ORIGIN,
        artist,
        histories=pa.Table.from_pylist(rows),
        targets=pa.Table.from_pylist(targets),
        disliked=disliked,
        peers=PEERS,
    )


@pytest.fixture(scope="module")
def study(artist):
    return study_of(artist)


def variants():
    return make_variants(alpha=0.4, skip_layers=(), peers=list(PEERS))


def test_peers_are_compared_with_the_baselines_and_the_control():
    assert [one.name for one in variants()] == [PLAIN, FULL, CONCATENATED, *PEERS, ANOTHER]
    wanted = make_variants(alpha=0.4, skip_layers=(), peers=list(PEERS), wanted=("bm25",))
    assert "bm25" in [one.name for one in wanted]


def test_a_peer_sees_the_offered_half_and_nothing_of_the_other(study):
    for target in study.targets:
        user = study.users[target.owner]
        case = make_case(study, target)
        assert case.texts == user.offered.texts
        assert not set(user.held_out.texts) & {*case.texts, *case.disliked}
        assert (case.prompt, case.seed) == ("a dog", 7)


def test_a_digest_says_what_a_picture_is_made_of(study):
    mean = plan_peer(study, PEERS["mean of conditions"])
    assert plan_peer(study, MeanOfConditions(0.4)).digests == mean.digests
    assert not set(plan_peer(study, MeanOfConditions(0.5)).digests) & set(mean.digests)
    assert len(set(mean.digests)) == 2
    other = replace(study, design=replace(DESIGN, options=replace(DESIGN.options, num_inference_steps=3)))
    assert not set(plan_peer(other, PEERS["mean of conditions"]).digests) & set(mean.digests)


def test_a_prompt_alone_is_the_plain_variants_picture(study):
    class Silent(Pmg):
        def personalize(self, case):
            return self.plan(replace(case, texts=()))

    plain, *_ = variants()
    assert plan_peer(study, Silent()).digests == plan_variant(study, plain).digests


def test_pictures_that_are_there_are_not_drawn_again(study, artist):
    pictures = Memory(artist)
    drawn = {variant.name: draw_variant(study, variant, pictures) for variant in variants()}
    assert all(drawn[name] > 0 for name in (PLAIN, FULL, *PEERS))
    assert [draw_variant(study, variant, pictures) for variant in variants()] == [0] * len(variants())
    assert all(pictures.files.values())


def test_a_blocked_text_is_not_drawn_and_leaves_no_mark_so_that_it_may_be_allowed_again(study):
    strict = make_artist()
    strict._text_filter = lambda text: "red" in text
    pictures = Memory(strict)
    plan = plan_peer(replace(study, artist=strict), PEERS["PMG (keywords only)"])
    plan.draw(range(len(plan.digests)), pictures)
    blocked = [plan.is_blocked(place) for place in range(len(plan.digests))]
    assert blocked == ["red" in request.prompt for request in plan.requests]
    assert any(blocked)
    assert set(pictures.files) == {
        digest for digest, refused in zip(plan.digests, blocked, strict=True) if not refused
    }


def test_every_variant_has_its_costs(study):
    costs = dict((variant.name, found) for variant, found in measure_costs(study, variants()))
    assert set(costs) == {one.name for one in variants()}
    for found in costs.values():
        assert list(found) == list(COSTS)
        assert found["seconds_per_target"] > 0
    assert costs["FABRIC"]["seconds_per_target"] > costs[PLAIN]["seconds_per_target"]


def history(*weights):
    times = np.array(["2020-01-01"] * len(weights), "datetime64[us]")
    return UserHistory(
        texts=tuple(f"t{place}" for place in range(len(weights))),
        weights=np.array(weights, float),
        event_times=times,
    )


def test_without_negative_events_the_least_liked_half_stands_in():
    assert least_liked(history(3, 1, 5, 2, 4)) == ("t1", "t3")
    assert least_liked(history(2, 2, 2)) == ()


def test_negative_events_come_before_what_is_merely_liked_less(artist):
    disliked = pa.table({"user_key": [1, 1], "text": ["a bog", "a log"]})
    study = study_of(artist, disliked)
    assert study.users[0].disliked == ("a bog", "a log")
    assert study.users[1].disliked == least_liked(study.users[1].offered)
