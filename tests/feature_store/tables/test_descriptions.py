"""The style of an item's picture is a field of the item, which no delivery of a catalogue takes away."""

from datetime import UTC, datetime

import pytest

from feature_store.lake.lake import Lake
from feature_store.tables.descriptions import (
    DescriptionRow,
    ItemsPicture,
    append_descriptions,
    read_described,
    scan_pictures,
)
from feature_store.tables.items import TemplateError, render_texts
from feature_store.tables.runs import close_window, open_run
from feature_store.tables.targets import scan_stale_users
from feature_store.upkeep.past_windows import copy_given_targets, copy_known, read_window
from recsys_adapters.sources.catalogue import Catalogue
from tests.feature_store.logs import (
    append_file,
    ask,
    hours,
    key_of,
    take_in_events,
    take_in_targets,
    write_csv,
)
from tests.feature_store.nights import embed, finish_night, profile

TEMPLATES = {"reference_template": "{title}, {style}", "target_template": "{title} poster, {style}"}
FILMS = {"harvest": "harvest.png", "night": "night.png", "twin": "night.png", "bare": ""}


def take_in(lake, folder, films=FILMS, name="films", **columns):
    """Append a catalogue of {item: picture}, with more columns of the same text for all."""
    rows = [(item, f"Film {item}", uri, *columns.values()) for item, uri in films.items()]
    file = write_csv(folder / "logs" / f"{name}.csv", ("item", "title", "stock_image_uri", *columns), rows)
    own = {"item_id": "item", "title": "title", "stock_image_uri": "stock_image_uri"}
    append_file(lake, next(iter(Catalogue(path=file, columns=own).files())), open_run(lake))


def row(item, style, uri=None, *, picture="p1", describer="d", reason=None):
    return DescriptionRow(
        item_id=item,
        stock_image_uri=uri or FILMS[item],
        picture_sha256=picture,
        describer_digest=describer,
        style=style,
        reason=reason,
        described_at=datetime.now(UTC),
    )


def describe(lake, *rows):
    return append_descriptions(lake, [*rows])


def references(lake):
    render_texts(lake, **TEMPLATES)
    return dict(ask(lake, "SELECT item_id, reference_text FROM items ORDER BY item_id"))


@pytest.fixture
def films(lake, tmp_path):
    take_in(lake, tmp_path)
    describe(lake, row("harvest", "amber, grainy"), row("night", "teal"), row("twin", "teal"))
    return lake


def test_a_style_is_a_field_that_templates_name(films):
    assert references(films) == {
        "harvest": "Film harvest, amber, grainy",
        "night": "Film night, teal",
        "twin": "Film twin, teal",
        "bare": "Film bare,",
    }


def test_a_corrected_catalogue_keeps_the_style(films, tmp_path):
    take_in(films, tmp_path, name="corrected", genres="drama")
    assert references(films)["night"] == "Film night, teal"
    render_texts(films, reference_template="{title}, {genres}, {style}", target_template="{title}")
    assert ask(films, "SELECT reference_text FROM items WHERE item_id = 'night'") == [
        ("Film night, drama, teal",)
    ]


def test_another_address_has_no_style_until_its_picture_is_described(films, tmp_path):
    take_in(films, tmp_path, {"night": "new.png"}, name="new address")
    assert references(films)["night"] == "Film night,"
    describe(films, row("night", "neon", "new.png", picture="p2"))
    assert references(films)["night"] == "Film night, neon"


def test_a_new_picture_at_the_same_address_changes_the_style(films):
    assert references(films)["harvest"] == "Film harvest, amber, grainy"
    describe(films, row("harvest", "neon", picture="p2"))
    assert references(films)["harvest"] == "Film harvest, neon"


def test_a_picture_that_is_not_there_today_keeps_the_style_of_yesterday(films):
    describe(films, row("night", None, picture=None, reason="not there"))
    assert references(films)["night"] == "Film night, teal"


def test_a_picture_that_is_there_and_refused_takes_the_style_away(films):
    describe(films, row("night", None, picture="p2", reason="blocked"))
    assert references(films)["night"] == "Film night,"


def test_what_a_catalogue_says_of_the_style_wins(films, tmp_path):
    take_in(films, tmp_path, {"night": "night.png"}, name="styled", style="ink drawing")
    assert references(films)["night"] == "Film night, ink drawing"
    assert [one.item_ids for one in scan_pictures(films)] == [("harvest",), ("twin",)]


def test_items_that_share_a_picture_share_its_address(films):
    assert scan_pictures(films) == [
        ItemsPicture(uri="harvest.png", item_ids=("harvest",)),
        ItemsPicture(uri="night.png", item_ids=("night", "twin")),
    ]


def test_what_was_said_before_is_not_written_again(films):
    again = [row("night", "teal"), row("harvest", "amber, grainy", picture="p2")]
    assert describe(films, *again) == 1
    assert describe(films) == 0
    assert ask(films, "SELECT count(*) FROM descriptions") == [(4,)]


def test_nothing_is_kept_of_an_item_that_is_gone_or_has_another_picture(films):
    assert describe(films, row("gone", "teal", "night.png"), row("night", "teal", "old.png")) == 0


def test_what_a_describer_said_is_known_by_the_picture_and_the_latest_counts(films):
    describe(films, row("night", "neon", picture="p2"), row("twin", "flat", picture="p2", describer="e"))
    describe(films, row("night", None, picture="p2", reason="blocked"))
    describe(films, row("twin", None, picture=None, reason="not there"))
    said = read_described(films, "d")
    assert set(said) == {"p1", "p2"}
    assert said["p2"] == (None, "blocked")
    assert read_described(films, "e") == {"p2": ("flat", None)}


def test_a_template_with_a_style_that_no_item_has_says_what_to_run(lake, tmp_path):
    take_in(lake, tmp_path)
    with pytest.raises(TemplateError, match=r"field 'style', which no item has: run .*`fan describe`"):
        render_texts(lake, **TEMPLATES)


def test_what_is_described_while_texts_are_rendered_counts_the_next_time(films):
    def describe_meanwhile(texts):
        describe(films, row("night", "neon " * 9, picture="p2"))
        return [max(0, len(text.split()) - 4) for text in texts]

    render_texts(films, **TEMPLATES, count_unread=describe_meanwhile)
    assert ask(films, "SELECT reference_text FROM items WHERE item_id = 'night'") == [("Film night, teal",)]
    assert render_texts(films, **TEMPLATES, count_unread=describe_meanwhile) == 1
    assert ask(films, "SELECT reference_text, reference_cut > 0 FROM items WHERE item_id = 'night'") == [
        ("Film night, neon neon", True)
    ]


def fill_night(lake, folder):
    """Two users who liked one film each, and are recommended the one without a picture."""
    take_in(lake, folder)
    take_in_events(
        lake, folder, [("1", "ann", "harvest", hours(0), 1.0), ("2", "bob", "night", hours(1), 1.0)]
    )
    take_in_targets(lake, folder, [("ann", "bare", 1), ("bob", "bare", 1)])
    finish_night(lake, folder)


@pytest.mark.whole
def test_who_met_a_film_that_looks_otherwise_is_profiled_anew_and_nobody_else(lake, tmp_path):
    fill_night(lake, tmp_path)
    describe(lake, row("harvest", "amber"), row("night", None, picture=None, reason="not there"))
    run = close_window(lake, open_run(lake))
    render_texts(lake, **TEMPLATES)
    embed(lake, tmp_path)
    assert profile(lake, run)["user_key"].to_pylist() == [key_of(lake, "ann")]


@pytest.mark.whole
def test_a_past_window_has_the_styles_of_then(lake, tmp_path):
    fill_night(lake, tmp_path)
    describe(lake, row("harvest", "amber"))
    then = finish_night(lake, tmp_path)
    describe(lake, row("harvest", "neon", picture="p2"), row("night", "teal"))
    assert references(lake)["harvest"] == "Film harvest, neon"
    past, run = Lake(tmp_path / "past"), read_window(lake, then.run_id)
    copy_known(lake, past, run, targets_recipe="t")
    copy_given_targets(lake, past, run, profile_recipe="p")
    assert references(past)["harvest"] == "Film harvest, amber"
    assert references(past)["night"] == "Film night,"
    embed(past, tmp_path)
    assert profile(past, run)["user_key"].to_pylist() == [key_of(lake, "ann")]
    stale = scan_stale_users(past, known_before=run.window_end, recipe_digest="t", max_users=None)
    assert stale == [key_of(lake, "ann")]
    past.close()
