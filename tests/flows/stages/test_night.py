"""The whole night on a small log, with real parts: DuckDB, FAISS, MLflow and the bundled model."""

import hashlib
import subprocess
import sys

import pytest

from flows.night_lock import NightInProgressError, hold_night
from flows.questions.explain import explain
from flows.settings import read_settings
from flows.settings_section import SettingsError
from flows.stages.night import STAGES
from flows.stages.publish import UnfinishedNightError
from flows.workspace import open_lake
from tests.flows.nights import NIGHT, ask, run, sample_ratings, write_movielens, write_settings


def pictures(settings_file):
    return dict(
        ((user, item), (digest, sha256))
        for user, item, digest, sha256 in ask(
            settings_file, "SELECT user_id, item_id, profile_digest, image_sha256 FROM artworks"
        )
    )


def test_a_night_draws_a_picture_for_every_target_and_says_from_what(published_file):
    settings_file = published_file
    assert ask(settings_file, "SELECT status FROM runs") == [("published",)]
    assert ask(settings_file, "SELECT count(*), count(DISTINCT user_id) FROM artworks") == [(4, 4)]
    workspace = read_settings(settings_file).workspace
    for path, sha256, plain in ask(
        settings_file, "SELECT image_path, image_sha256, plain_image_path FROM artworks"
    ):
        assert hashlib.sha256((workspace / path).read_bytes()).hexdigest() == sha256
        assert (workspace / plain).read_bytes() != (workspace / path).read_bytes()
    # Twelve films rated, the latest is the target: round(0.1 * 11) = 1 reference of 11.
    assert ask(settings_file, "SELECT count(*), min(history_size), max(history_size) FROM profiles") == [
        (4, 11, 11)
    ]
    assert ask(
        settings_file,
        "SELECT count(*) FROM profiles JOIN interactions AS i ON i.user_id = profiles.user_id "
        "AND i.item_id = reference_item_id AND i.event_time < as_of",
    ) == [(4,)]


@pytest.mark.whole
def test_a_second_night_on_unchanged_input_draws_nothing(published_file):
    before = pictures(published_file)
    night = run(published_file)
    assert night.counts["ingest"]["files"] == 0
    assert night.counts["generate"] == {}
    assert pictures(published_file) == before


@pytest.mark.whole
def test_new_events_redraw_only_the_pictures_whose_profile_changed(published_file):
    before = pictures(published_file)
    films = {film for user, film, *_ in sample_ratings() if user == 2}
    new = next(film for film in range(1, 25) if film not in films)
    write_movielens(published_file.parent / "logs", [*sample_ratings(), (2, new, 5.0, 1_100_000_000)])
    night = run(published_file)
    after = pictures(published_file)
    assert night.counts["ingest"]["accepted"] == 1
    assert night.counts["generate"]["generated"] == 1
    assert {user for user, _ in after} == {user for user, _ in before}
    assert ("2", str(new)) in after
    assert {pair: picture for pair, picture in before.items() if pair[0] != "2"} == {
        pair: picture for pair, picture in after.items() if pair[0] != "2"
    }


@pytest.mark.whole
def test_another_alpha_redraws_every_picture_and_profiles_nobody(published_file):
    before = pictures(published_file)
    write_settings(published_file.parent, NIGHT + "alpha = 0.9\n")
    night = run(published_file)
    after = pictures(published_file)
    assert night.counts["profile"] == {}
    assert night.counts["generate"]["generated"] == 4
    assert {pair: digest for pair, (digest, _) in after.items()} == {
        pair: digest for pair, (digest, _) in before.items()
    }
    assert all(after[pair] != before[pair] for pair in after)


@pytest.mark.whole
def test_another_template_profiles_and_redraws_everybody(published_file):
    write_settings(published_file.parent, NIGHT + '[texts]\ntarget_template = "{genres} poster, {title}"\n')
    night = run(published_file)
    assert night.counts["profile"]["targets_profiled"] == 4
    assert night.counts["generate"]["generated"] == 4


@pytest.mark.whole
def test_a_smaller_limit_of_users_takes_the_others_pictures_away(published_file):
    write_settings(published_file.parent, NIGHT.replace("max_users = 4", "max_users = 2"))
    run(published_file)
    assert ask(published_file, "SELECT DISTINCT user_id FROM artworks ORDER BY ALL") == [("1",), ("2",)]


@pytest.mark.whole
def test_broken_rows_are_counted_and_kept_and_the_night_goes_on(settings_file):
    broken = [("", 3, 4.0, 1_000_000_000), (1, 3, "nan", 1_000_000_001), (1, 4, 4.0, "yesterday"), (1, 5)]
    write_movielens(settings_file.parent / "logs", [*sample_ratings(), *broken])
    night = run(settings_file)
    counts = night.counts["ingest"]
    assert counts["rejected"] == len(broken)
    assert counts["rows_read"] == counts["accepted"] + counts["duplicate"] + counts["rejected"]
    assert ask(settings_file, "SELECT count(*), count(DISTINCT reason) FROM rejected_rows") == [(4, 4)]
    assert night.counts["publish"] == {"users": 4, "targets": 4}


@pytest.mark.whole
def test_a_long_title_is_shortened_so_that_the_prompt_is_read_to_its_end(settings_file, caplog):
    films = settings_file.parent / "logs" / "movies.csv"
    ratings = [(user, film, 5.0, 1_000_000_000 + 100 * user + film) for user in (1, 2) for film in (1, 2, 3)]
    write_movielens(films.parent, ratings)
    films.write_text(films.read_text().replace("Paper Moons 3", "Paper Moons 3 " + "and on " * 40))
    run(settings_file)
    (long,) = ask(settings_file, "SELECT DISTINCT prompt, tokens_cut > 100 FROM pictures WHERE item_id = '3'")
    assert long[0].startswith("Paper Moons 3 and on")
    assert long[0].endswith(", romance drama film poster")
    assert long[1]
    assert "texts of 1 items are shortened to what the text encoder reads: 3" in caplog.text
    assert ask(settings_file, "SELECT count(*) FROM night.artworks WHERE contrast IS NOT NULL") == [(0,)]


@pytest.mark.whole
def test_the_stages_one_by_one_make_the_same_night(settings_file, published_night):
    for stage in STAGES:
        night = run(settings_file, (stage,))
    assert night.status == "published"
    assert set(night.counts) == set(STAGES)
    assert pictures(settings_file) == pictures(published_night / "fan.toml")


def test_a_night_that_took_nothing_in_is_not_published(settings_file):
    with pytest.raises(UnfinishedNightError, match="nothing was taken in yet: run `fan ingest`"):
        run(settings_file, ("publish",))


def test_a_night_is_not_published_before_its_pictures_are_drawn(settings_file):
    run(settings_file, ("ingest", "embed", "profile"))
    assert ask(settings_file, "SELECT count(*) FROM profiles") == [(0,)]
    with pytest.raises(UnfinishedNightError, match="fan generate"):
        run(settings_file, ("publish",))
    assert ask(settings_file, "SELECT status, reason FROM runs") == [
        ("failed", "publish stopped: UnfinishedNightError")
    ]


def test_a_night_whose_pictures_the_model_cannot_draw_stops_before_the_first(published_file):
    before = pictures(published_file)
    write_settings(published_file.parent, NIGHT + 'guidance_scale = 1.0\nnegative_prompt = "noir"\n')
    with pytest.raises(
        SettingsError, match=r"\[drawing\] of the settings, with .*@champion: negative_prompt must"
    ):
        run(published_file)
    assert pictures(published_file) == before


@pytest.mark.whole
def test_a_target_that_the_catalogue_does_not_know_is_a_failed_picture_with_its_reason(settings_file):
    write_movielens(settings_file.parent / "logs", [*sample_ratings(), (3, 999, 5.0, 1_100_000_000)])
    run(settings_file)
    failed = ask(settings_file, "SELECT user_id, item_id, reason FROM artworks WHERE status = 'failed'")
    assert failed == [("3", "999", "the catalogue does not know the item, so there is no text to draw")]
    settings = read_settings(settings_file)
    words = explain(settings, open_lake(settings, read_only=True), "3", "999")
    assert words.splitlines()[1:] == ["", f"There is no file: failed, {failed[0][2]}."]


def test_a_second_night_at_the_same_time_is_refused(settings_file):
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from filelock import FileLock\n"
            "with FileLock(sys.argv[1]): print('held', flush=True); time.sleep(60)",
            str(read_settings(settings_file).workspace / "night.lock"),
        ],
        stdout=subprocess.PIPE,
    )
    assert holder.stdout.readline() == b"held\n"
    try:
        with pytest.raises(NightInProgressError, match="another night is running"):
            run(settings_file)
    finally:
        holder.kill()
        holder.wait()
    with hold_night(read_settings(settings_file)):
        pass
