"""What a variant draws."""

import shutil
from dataclasses import replace

import pytest

from evaluation.protocol.plan import plan_variant
from evaluation.protocol.study import build_study
from evaluation.protocol.variants import FULL, make_variants
from fan_model.bundled import PIPELINE_FOLDER
from fan_model.drawing.artist import Artist
from fan_model.loading.own_sampling import OwnSampling, write_statement
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
