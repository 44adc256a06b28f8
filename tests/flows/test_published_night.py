"""What people look at after a night: gallery, explanations, queries and the summary."""

import dataclasses
import html
import json
import os
import re
import subprocess

import pytest
from typer.testing import CliRunner

from feature_store.history.opt_outs import opt_out
from feature_store.history.tastes import OptedOutError
from feature_store.tables.published import read_picture
from feature_store.tables.runs import read_last_published, read_run
from flows.cli.program import app
from flows.commands.summary import summarize
from flows.gallery.gallery_pages import write_gallery
from flows.questions.explain import NoPictureError, describe_strength, explain
from flows.questions.query import QueryError, run_query
from flows.settings import read_settings
from flows.stages.night import STAGES
from flows.workspace import open_lake, open_workspace
from tests.flows.nights import NIGHT, run, sample_ratings, write_movielens, write_settings


@pytest.fixture(scope="module")
def night(published_night):
    """One published night: its settings file and its run."""
    settings_file = published_night / "fan.toml"
    lake = open_lake(read_settings(settings_file), read_only=True)
    return settings_file, read_last_published(lake)


def read_gallery(settings):
    return (settings.workspace / "gallery" / "index.html").read_text()


@pytest.fixture
def settings(night):
    return read_settings(night[0])


@pytest.fixture
def lake(settings):
    lake = open_lake(settings, read_only=True)
    yield lake
    lake.close()


def test_the_gallery_shows_both_pictures_and_the_references_of_each_user(night, settings, lake):
    page = read_gallery(settings)
    keys = lake.query("SELECT user_key FROM keyed.users WHERE user_id IN ('1', '2', '3', '4')")
    assert all(f'id="user-{key}"' in page for key in keys["user_key"].to_pylist())
    shown = re.findall(r'src="\.\./(images/[^"]+)"', page)
    stored = lake.query("SELECT image_path, plain_image_path FROM artworks").to_pylist()
    assert set(shown) == {path for row in stored for path in row.values()}
    assert all((settings.workspace / path).is_file() for path in shown)
    titles = lake.query("SELECT title FROM profiles JOIN items ON items.item_id = reference_item_id")
    assert all(html.escape(title) in page for title in titles["title"].to_pylist())


def test_the_gallery_spreads_users_over_pages_that_link_to_one_another(night, settings, lake, tmp_path):
    few = settings.model_copy(
        update={"gallery": settings.gallery.model_copy(update={"users_per_page": 3, "max_users": 4})}
    )
    workspace = open_workspace(settings.model_copy(update={"workspace": tmp_path}))
    link = write_gallery(few, lake, workspace, read_run(lake, night[1].run_id))
    first = tmp_path / "gallery" / "index.html"
    assert link == first.as_uri()
    assert 'href="page-2.html"' in first.read_text()
    (key,) = lake.query("SELECT user_key FROM keyed.users WHERE user_id = '4'")["user_key"].to_pylist()
    assert f'id="user-{key}"' in (first.parent / "page-2.html").read_text()
    assert not (first.parent / "page-3.html").exists()


def test_titles_are_escaped_in_the_gallery(lake, settings):
    titles = lake.query("SELECT title FROM artworks JOIN items USING (item_id) WHERE title LIKE '%<b>%'")
    assert titles.num_rows
    page = read_gallery(settings)
    assert "<b>Train" not in page
    assert all(html.escape(title) in page for title in titles["title"].to_pylist())


def test_an_explanation_names_prompt_references_and_file(settings, lake):
    item_id = lake.query("SELECT item_id FROM artworks WHERE user_id = '2'")["item_id"][0].as_py()
    words = explain(settings, lake, "2", item_id)
    reference = lake.query("SELECT title FROM profiles JOIN items ON items.item_id = reference_item_id "
                           "WHERE user_id = '2'")["title"][0].as_py()  # fmt: skip
    assert "film poster" in words
    assert reference in words
    assert "100.0%" in words
    assert "images/" in words


@pytest.mark.whole
def test_what_others_liked_is_told_from_what_the_user_did(tmp_path):
    write_movielens(tmp_path / "logs", [*sample_ratings(), ("new", 7, 5.0, 1_000_900_000)])
    settings_file = write_settings(tmp_path, NIGHT.replace("max_users = 4", 'max_users = "all"'))
    run(settings_file)
    settings = read_settings(settings_file)
    words = explain(settings, open_lake(settings, read_only=True), "new", "7")
    assert "has 0 references only, so 3 were taken from what others liked" in words
    assert len(re.findall(r" \*$", words, re.MULTILINE)) == 3
    assert read_gallery(settings).count("(others liked)") == 3


def test_explaining_a_picture_that_is_not_there_names_those_that_are(settings, lake):
    item_id = lake.query("SELECT item_id FROM artworks WHERE user_id = '2'")["item_id"][0].as_py()
    with pytest.raises(NoPictureError, match=f"no published picture of item 0 .*of items: {item_id}$"):
        explain(settings, lake, "2", "0")


def test_nothing_is_explained_of_who_opted_out(published_file):
    settings = read_settings(published_file)
    lake = open_lake(settings)
    item_id = lake.query("SELECT item_id FROM artworks WHERE user_id = '2'")["item_id"][0].as_py()
    opt_out(lake, "2")
    with pytest.raises(OptedOutError, match="user 2 opted out of personalized pictures"):
        explain(settings, lake, "2", item_id)
    lake.close()


def test_queries_answer_as_table_csv_and_json(settings):
    sql = "SELECT count(*) AS pictures, count(DISTINCT user_id) AS users FROM artworks"
    assert run_query(settings, sql, "csv") == "pictures,users\n4,4"
    assert json.loads(run_query(settings, sql, "json")) == [{"pictures": 4, "users": 4}]
    assert "pictures" in run_query(settings, sql, "table")


def test_analysts_see_what_was_drawn_for_whom_and_why_in_one_row(lake):
    rows = lake.query("FROM pictures").to_pylist()
    assert len(rows) == 4
    titles = lake.query(
        "SELECT user_id, title FROM profiles JOIN items ON items.item_id = reference_item_id "
        "ORDER BY position"
    ).to_pylist()
    for row in rows:
        assert row["reference_titles"] == [one["title"] for one in titles if one["user_id"] == row["user_id"]]
        assert row["prompt"].startswith(row["title"])
        assert row["picture"].startswith("images/")
        assert row["num_references"] == len(row["reference_titles"])


def test_a_query_is_read_from_standard_input(night):
    asked = CliRunner().invoke(
        app, ["query", "-", "--format", "csv", "--settings", str(night[0])], input="SELECT 1 AS one"
    )
    assert asked.output.strip() == "one\n1"


def test_a_query_that_duckdb_refuses_is_told_in_its_words(settings):
    with pytest.raises(QueryError, match="artwork does not exist"):
        run_query(settings, "FROM artwork", "table")


@pytest.mark.parametrize("sql", ["", " ;", "-- FROM artworks", "/* nothing */"])
def test_a_query_without_a_statement_is_told_as_empty(settings, sql):
    with pytest.raises(QueryError, match="the query is empty: write one statement"):
        run_query(settings, sql, "table")


def test_a_query_cannot_write(settings):
    with pytest.raises(QueryError, match="read-only"):
        run_query(settings, "DELETE FROM night.artworks", "table")


def test_the_summary_counts_pictures_and_says_where_to_look(night, settings):
    words = summarize(settings, night[1], STAGES)
    assert "users 4, targets 4" in words
    assert "pictures drawn 4, reused 0, failed or flagged 0" in words
    assert (settings.workspace / "gallery" / "index.html").as_uri() in words


def test_the_query_of_the_summary_runs_as_it_stands(night, settings):
    command = re.search(r"DuckDB +(.*)", summarize(settings, night[1], STAGES, night[0]))[1]
    environment = os.environ | {"PATH": "/usr/bin:/bin"}
    shown = subprocess.run(command, shell=True, capture_output=True, text=True, env=environment)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.count("generated") == 4


def test_every_command_explains_itself():
    for command in app.registered_commands:
        assert command.callback.__doc__, command


def test_an_explanation_says_whether_a_picture_went_by_alpha_or_away_from_the_crowd(lake):
    item_id = lake.query("SELECT item_id FROM artworks WHERE user_id = '2'")["item_id"][0].as_py()
    picture = read_picture(lake, "2", item_id)
    assert "looks at 1 references" in describe_strength(picture)
    pictured = dataclasses.replace(picture, num_images=1)
    assert "looks at 1 references" in describe_strength(pictured)
    assert "act through the image encoder: 1 of them" in describe_strength(pictured)
    alone = dataclasses.replace(pictured, num_references=0)
    assert "looks at" not in describe_strength(alone)
    assert "has a picture that acts" in describe_strength(dataclasses.replace(alone, num_images=0))
    contrasted = describe_strength(dataclasses.replace(picture, contrast=0.5))
    assert "layer goes 0.5 times what its 1 references have beyond the crowd" in contrasted
    assert "looks at" not in contrasted


def test_a_night_commits_a_stage_of_a_few_buckets_once_and_seldom_beside_that(lake):
    commits = lake.query("SELECT commit_message AS of FROM lake.snapshots()")["of"].to_pylist()
    assert commits.count("profiles") == commits.count("artworks") == 1
    made_empty = {None, "create the tables", "show what is known", "show the empty tables"}
    assert len([one for one in commits if one not in made_empty]) <= 20, commits
