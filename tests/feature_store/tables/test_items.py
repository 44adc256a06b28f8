"""Texts of items are made by templates, and none is longer than the model takes."""

from feature_store.tables.items import render_texts
from tests.feature_store.logs import ask, take_in_items


def test_a_text_that_nobody_has_fitted_yet_is_cut(lake, tmp_path):
    take_in_items(lake, tmp_path, {"long": "word " * 900, "short": "A Short Title", "wide": "安" * 2000})
    render_texts(lake, reference_template="{title}", target_template="{title} poster")
    lengths = ask(lake, "SELECT item_id, length(reference_text), length(target_text) FROM items ORDER BY 1")
    assert lengths == [("long", 2000, 2000), ("short", 13, 20), ("wide", 2000, 2000)]
    assert render_texts(lake, reference_template="{title}", target_template="{title} poster") == 0
    assert render_texts(lake, reference_template="{title}", target_template="{title}", longest=9) == 3
