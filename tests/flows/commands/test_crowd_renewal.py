"""`fan crowd`: what everybody likes, whether it still holds, and another one when it is asked for."""

import pytest

from flows.commands.crowd_renewal import (
    SmallPopulationError,
    describe_crowd,
    look_at_crowd,
    renew_crowd,
)
from flows.commands.doctor import examine
from flows.settings import read_settings
from tests.flows.nights import CONTRASTED, run, sample_ratings, write_movielens, write_settings

pytestmark = pytest.mark.whole


@pytest.fixture(scope="module")
def settings_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crowd")
    write_movielens(folder / "logs", sample_ratings())
    file = write_settings(folder, CONTRASTED)
    run(file)
    return file


def due(settings):
    return [found for found in examine(settings) if not found.is_broken]


def test_a_crowd_is_shown_with_how_many_users_like_each_of_its_texts(settings_file):
    report = look_at_crowd(read_settings(settings_file))
    assert report.change.drift == pytest.approx(0, abs=1e-6)
    words = describe_crowd(report)
    assert all(f"{row.num_users:,} users  {row.text}" in words for row in report.texts)
    assert "it stays in use" in words
    assert f"redraws up to {report.num_personal} personal pictures" in words
    assert report.num_personal == 4


def test_the_doctor_says_that_another_crowd_is_due_without_calling_that_broken(settings_file):
    assert [found.num_offenders for found in due(read_settings(settings_file))] == [0]
    moved = write_settings(settings_file.parent, CONTRASTED + "max_drift = 0.0\n")
    write_movielens(settings_file.parent / "logs", [*sample_ratings(), (2, 21, 5.0, 1_100_000_000)])
    run(moved, ("ingest",))
    (found,) = due(read_settings(moved))
    assert found.num_offenders == 1
    assert "redraws up to 3 pictures" in found.remedy
    assert look_at_crowd(read_settings(moved)).change.is_due


def test_a_crowd_is_renewed_when_it_is_asked_for_however_little_has_moved(settings_file):
    settings = read_settings(write_settings(settings_file.parent, CONTRASTED))
    before = look_at_crowd(settings)
    after = renew_crowd(settings)
    assert after.texts[0].as_of > before.texts[0].as_of
    assert after.texts[0].run_id.startswith("crowd-")
    assert look_at_crowd(settings).texts == after.texts


def test_a_crowd_that_too_few_like_by_now_cannot_be_renewed_which_is_said(settings_file):
    few = CONTRASTED.replace("users = 2", "users = 99")
    settings = read_settings(write_settings(settings_file.parent, few))
    with pytest.raises(SmallPopulationError, match="fewer than 3 texts are liked by 99 users each.*: lower"):
        renew_crowd(settings)


def test_a_workspace_without_a_night_has_no_crowd(tmp_path):
    write_movielens(tmp_path / "logs", sample_ratings())
    file = write_settings(tmp_path, CONTRASTED)
    run(file, ("ingest",))
    assert describe_crowd(look_at_crowd(read_settings(file))).startswith("no crowd: no night chose one yet")
