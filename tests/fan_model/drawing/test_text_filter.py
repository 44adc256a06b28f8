"""Blocked texts: whole words, however they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fan_model.drawing.text_filter import Blocklist, block_nothing
from fan_model.service.deployment import call_hook

BLOCKLIST = Blocklist(["snuff film", "Bestiality"])


@pytest.mark.parametrize(
    "text",
    ["a snuff film", "SNUFF\t FILM", "snuff-film!", "\uff53\uff4e\uff55\uff46\uff46 film", "bestiality"],
)
def test_a_phrase_is_found_in_any_case_spacing_and_width(text):
    assert BLOCKLIST(text)


@pytest.mark.parametrize("text", ["", "snuff films", "a film about snuff", "bestialityx"])
def test_parts_of_words_and_other_orders_pass(text):
    assert not BLOCKLIST(text)


@given(st.text(), st.text())
def test_what_stands_around_a_phrase_does_not_hide_it(before, after):
    assert BLOCKLIST(f"{before} snuff film {after}")


@given(st.text())
def test_an_empty_list_blocks_nothing(text):
    assert not Blocklist(["", "  "])(text)
    assert not block_nothing(text)


def test_comments_in_the_file_are_no_phrases(tmp_path):
    (tmp_path / "list.txt").write_text("# harbour\n\nforbidden words\n  # lighthouse\n")
    blocklist = Blocklist.read(tmp_path / "list.txt")
    assert blocklist("Forbidden words here")
    assert not blocklist("a harbour")
    assert not blocklist("a lighthouse")


def test_a_missing_file_is_not_taken_for_an_empty_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"):
        Blocklist.read(tmp_path / "absent.txt")


def test_a_filter_of_ones_own_is_found_by_its_name():
    assert call_hook({"factory": "fan_model.drawing.text_filter:Blocklist", "phrases": ["sea"]})("the sea")


@pytest.mark.parametrize("hook", [{}, {"factory": "fan_model.drawing.text_filter:Absent"}])
def test_a_hook_that_names_nothing_is_refused(hook):
    with pytest.raises(ValueError, match="package.module:name"):
        call_hook(hook)
