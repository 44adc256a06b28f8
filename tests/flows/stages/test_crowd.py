"""The crowd of nights: chosen once, kept until what everybody likes has moved, told of by nobody."""

import pytest

from feature_store.history.opt_outs import opt_out
from flows.commands.crowd_renewal import describe_crowd, look_at_crowd, renew_crowd
from flows.commands.evaluate import take_in_data
from flows.settings import read_settings
from flows.workspace import open_lake
from tests.flows.nights import CONTRASTED, NIGHT, run, sample_ratings, write_movielens, write_settings

pytestmark = pytest.mark.whole


@pytest.fixture
def settings_file(tmp_path):
    write_movielens(tmp_path / "logs", sample_ratings())
    return write_settings(tmp_path, CONTRASTED)


def ask(settings_file, sql):
    lake = open_lake(read_settings(settings_file), read_only=True)
    try:
        return lake.query(sql).to_pylist()
    finally:
        lake.close()


def crowds(settings_file):
    sql = "SELECT crowd_id, count(*) AS n, min(num_users) AS least FROM crowds GROUP BY ALL"
    return ask(settings_file, sql)


def pictures(settings_file):
    sql = "SELECT user_id, item_id, artwork_digest FROM artworks ORDER BY ALL"
    return ask(settings_file, sql)


def test_a_night_contrasts_with_a_crowd_that_the_next_one_keeps(settings_file):
    first = run(settings_file)
    (crowd,) = crowds(settings_file)
    assert crowd["n"] == 3
    assert crowd["least"] >= 2
    assert first.counts["embed"]["crowd_texts"] == 3
    assert first.counts["embed"]["crowd_renewed"] == 1
    second = run(settings_file)
    assert crowds(settings_file) == [crowd]
    assert second.counts["embed"]["crowd_renewed"] == 0
    assert (second.counts["profile"], second.counts["generate"]) == ({}, {})


def test_a_new_event_of_one_user_redraws_nobody_else(settings_file, tmp_path):
    run(settings_file)
    before = pictures(settings_file)
    write_movielens(tmp_path / "logs", [*sample_ratings(), (2, 21, 5.0, 1_100_000_000)])
    run(settings_file)
    after = pictures(settings_file)
    assert [row for row in after if row["user_id"] != "2"] == [row for row in before if row["user_id"] != "2"]
    assert len(crowds(settings_file)) == 1


def test_a_crowd_that_everybody_has_left_is_replaced_and_all_personal_pictures_with_it(settings_file):
    run(settings_file)
    before = pictures(settings_file)
    write_settings(settings_file.parent, CONTRASTED + "max_drift = 0.0\n")
    write_movielens(settings_file.parent / "logs", [*sample_ratings(), (2, 21, 5.0, 1_100_000_000)])
    night = run(settings_file)
    assert night.counts["embed"]["crowd_renewed"] == 1
    assert len(crowds(settings_file)) == 2
    assert {row["artwork_digest"] for row in pictures(settings_file)} != {
        row["artwork_digest"] for row in before
    }


def test_a_population_that_is_too_small_has_no_crowd_and_gets_the_papers_pictures(settings_file):
    write_settings(settings_file.parent, CONTRASTED.replace("least_users = 2", "least_users = 99"))
    night = run(settings_file)
    assert night.counts["embed"]["crowd_texts"] == 0
    without = pictures(settings_file)
    write_settings(settings_file.parent, NIGHT)
    run(settings_file)
    assert pictures(settings_file) == without


def test_contrasted_pictures_are_others_than_the_papers(settings_file):
    run(settings_file)
    contrasted = pictures(settings_file)
    write_settings(settings_file.parent, NIGHT)
    run(settings_file)
    assert {row["artwork_digest"] for row in contrasted}.isdisjoint(
        row["artwork_digest"] for row in pictures(settings_file)
    )


def test_a_crowd_with_a_text_that_too_few_users_like_by_now_is_replaced(settings_file):
    run(settings_file)
    settings = read_settings(settings_file)
    rare = min(look_at_crowd(settings).texts, key=lambda row: row.num_users)
    likers = (
        "SELECT DISTINCT user_id FROM known_events(now(), now()) JOIN items USING (item_id) "
        "JOIN keyed.users USING (user_key) WHERE reference_id = ?"
    )
    lake = open_lake(settings)
    for user in lake.query(likers, [rare.reference_id])["user_id"].to_pylist()[1:]:
        opt_out(lake, user)
    lake.close()
    report = look_at_crowd(settings)
    assert report.change.num_thin >= 1
    assert "fewer users like by now than must" in describe_crowd(report)
    night = run(settings_file)
    assert night.counts["embed"]["crowd_renewed"] == 1
    assert look_at_crowd(settings).change.num_thin == 0


def test_a_population_that_has_gone_has_no_crowd_any_more_and_pictures_are_the_papers(settings_file):
    run(settings_file)
    lake = open_lake(read_settings(settings_file))
    for user in "12345":
        opt_out(lake, user)
    lake.close()
    night = run(settings_file)
    assert night.status == "published"
    assert (night.counts["embed"]["crowd_texts"], night.counts["embed"]["crowd_renewed"]) == (0, 0)
    assert crowds(settings_file) == []
    settings = read_settings(settings_file)
    assert not look_at_crowd(settings).texts
    contrasted = pictures(settings_file)
    write_settings(settings_file.parent, NIGHT)
    run(settings_file)
    assert pictures(settings_file) == contrasted


def test_items_that_no_night_has_embedded_yet_are_no_part_of_what_has_moved(settings_file, tmp_path):
    run(settings_file)
    settings = read_settings(settings_file)
    before = look_at_crowd(settings)
    new = [(user, 999, 5.0, 1_200_000_000) for user in (1, 2, 3)]
    write_movielens(tmp_path / "logs", [*sample_ratings(), *new])
    with (tmp_path / "logs" / "movies.csv").open("a") as stream:
        stream.write("999,A Film of Tomorrow (2001),Drama\n")
    take_in_data(settings)
    likers = "SELECT count(DISTINCT user_id) AS n FROM interactions WHERE item_id = '999'"
    assert ask(settings_file, likers) == [{"n": 3}]
    assert look_at_crowd(settings).texts == before.texts
    assert renew_crowd(settings).texts
