"""What becomes of a picture that cannot be drawn, and of those beside it."""

import pytest

from tests.flows.nights import NIGHT, ask, run, sample_ratings, write_movielens, write_settings

pytestmark = pytest.mark.whole

UNKNOWN = 999
"""A film that the catalogue does not know, so that there is no text to draw."""


def write_logs(folder):
    write_movielens(folder / "logs", [*sample_ratings(), (3, UNKNOWN, 5.0, 1_100_000_000)])


def test_a_picture_that_fails_is_tried_again_by_the_next_night_and_not_before(settings_file):
    write_logs(settings_file.parent)
    stages = ("ingest", "embed", "profile", "generate")
    first = run(settings_file, stages)
    assert first.counts["generate"] == {"generated": 3, "reused": 0, "flagged": 0, "failed": 1, "plain": 3}
    again = run(settings_file, ("generate",))
    assert again.run_id == first.run_id
    assert again.counts["generate"].get("failed", 1) == 1
    run(settings_file, ("publish",))
    ((user, status, reason, path),) = ask(
        settings_file, "SELECT user_id, status, reason, image_path FROM artworks WHERE status <> 'generated'"
    )
    assert (user, status, path) == ("3", "failed", None)
    assert reason.startswith("the catalogue does not know the item")
    second = run(settings_file)
    assert second.run_id != first.run_id
    assert second.counts["generate"]["failed"] == 1
    assert second.counts["generate"]["generated"] == 0


def test_users_and_targets_are_counted_each_for_itself(settings_file):
    write_settings(settings_file.parent, NIGHT.replace("per_user = 1", "per_user = 2"))
    night = run(settings_file)
    assert night.counts["publish"] == {"users": 4, "targets": 8}
    assert night.counts["profile"]["targets_profiled"] == 8
