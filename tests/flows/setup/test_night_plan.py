"""What a night will take, told before it: pictures, time and disk."""

import pytest
from typer.testing import CliRunner

from flows.cli.program import app
from flows.settings import read_settings
from flows.setup.night_plan import NightPlan, describe_plan, plan_night
from tests.flows.nights import CONTRASTED, run, sample_ratings, write_movielens, write_settings

pytestmark = pytest.mark.whole


def test_a_plan_counts_what_the_night_then_draws(settings_file):
    run(settings_file, ("ingest",))
    plan = plan_night(read_settings(settings_file))
    assert (plan.num_users, plan.num_targets) == (4, 4)
    night = run(settings_file)
    drawn = night.counts["generate"]
    assert drawn["generated"] + drawn["plain"] <= plan.num_pictures <= 8
    files = [file.stat().st_size for file in read_settings(settings_file).workspace.glob("images/*/*.png")]
    assert 0.5 < plan.bytes_per_picture * len(files) / sum(files) < 2
    assert plan.seconds_per_picture > 0
    assert plan_night(read_settings(settings_file)).num_pictures == 0


def test_a_plan_counts_what_another_crowd_and_other_profiles_redraw(tmp_path):
    write_movielens(tmp_path / "logs", sample_ratings())
    settings_file = write_settings(tmp_path, CONTRASTED)
    run(settings_file)
    assert plan_night(read_settings(settings_file)).num_pictures == 0
    write_settings(tmp_path, CONTRASTED + "max_drift = 0.0\n")
    write_movielens(tmp_path / "logs", [*sample_ratings(), (2, 21, 5.0, 1_100_000_000)])
    run(settings_file, ("ingest",))
    plan = plan_night(read_settings(settings_file))
    assert plan.num_pictures > plan.num_targets
    drawn = run(settings_file).counts["generate"]
    assert 4 < drawn["generated"] + drawn.get("plain", 0) <= plan.num_pictures
    write_settings(tmp_path, CONTRASTED.replace("distinctive = true", "distinctive = false"))
    assert plan_night(read_settings(settings_file)).num_pictures > plan.num_targets


def test_a_plan_is_told_in_three_lines_and_a_fourth_where_the_disk_is_too_small(settings_file):
    run(settings_file, ("ingest",))
    told = CliRunner().invoke(app, ["plan", "--settings", str(settings_file)])
    assert told.output.splitlines()[0].startswith("4 users, 4 targets; ")
    large = NightPlan(
        num_users=10**6,
        num_targets=2 * 10**6,
        num_pictures=2 * 10**6,
        seconds_per_picture=0.5,
        bytes_per_picture=10**6,
        bytes_free=10**9,
    )
    assert describe_plan(large) == [
        "1,000,000 users, 2,000,000 targets; 2,000,000 pictures to draw",
        "time: 277.8 h, at 2.00 pictures a second",
        "disk: 1,862.6 GiB for pictures, of 953.7 MiB that are free",
        "the disk is too small: make room, or set max_users",
    ]
