"""Texts of items are made by templates, and none is longer than the model takes."""

from feature_store.tables.items import render_texts
from tests.feature_store.logs import ask, take_in_items


def test_a_text_of_more_characters_than_may_be_is_cut(lake, tmp_path):
    take_in_items(lake, tmp_path, {"long": "word " * 900, "short": "A Short Title", "wide": "安" * 2000})
    render_texts(lake, reference_template="{title}", target_template="{title} poster")
    texts = ask(lake, "SELECT item_id, reference_text, target_text FROM items ORDER BY item_id")
    lengths = [(item_id, *map(len, both)) for item_id, *both in texts]
    # Words stay whole, the template's own words stay.
    assert lengths == [("long", 1999, 1996), ("short", 13, 20), ("wide", 2000, 2000)]
    assert all(target.endswith(" poster") for _, _, target in texts)
    assert render_texts(lake, reference_template="{title}", target_template="{title} poster") == 0
    assert render_texts(lake, reference_template="{title}", target_template="{title}", longest=9) == 3
