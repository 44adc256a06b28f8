"""What a model says becomes one line of style phrases, whatever it says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fan_model.describing.phrases import clean_phrases

SAID = "Teal palette, grainy film, wide shot"


@pytest.mark.parametrize(
    ("answer", "phrases"),
    [
        (SAID, SAID),
        (f'"{SAID}."', SAID),
        ("- teal palette\n- grainy film\n\n* wide shot", "teal palette, grainy film, wide shot"),
        ("1. teal palette\n2) grainy film", "teal palette, grainy film"),
        ("**Teal palette**; _grainy film_ | wide shot.", SAID),
        ("Soft light. Film grain!", "Soft light, Film grain"),
        ('Soft light!|"Film grain?"', "Soft light, Film grain"),
        ("teal, Teal, TEAL, grainy", "teal, grainy"),
        ("2.5D look, 35mm grain", "2.5D look, 35mm grain"),
        ("teal\x1b[31m pal\u202eette\x00, grai\ufffdny", "teal [31m pal ette, grai ny"),
        ("палитра бирюзы、зерно", "палитра бирюзы、зерно"),
        ("{title} <b>bold</b>, grainy", "{title} <b>bold</b, grainy"),
        (" ,;.\n- * \x00\ufffd", ""),
        ("", ""),
    ],
)
def test_phrases_are_taken_out_of_an_answer(answer, phrases):
    assert clean_phrases(answer, most=6, longest=160) == phrases


def test_only_the_first_phrases_are_kept():
    assert clean_phrases("one, two, three", most=2, longest=160) == "one, two"
    assert clean_phrases("one, two, three", most=6, longest=11) == "one, two"


def test_a_single_long_phrase_is_cut_between_words_or_else_where_it_must():
    assert clean_phrases("a long walk on the pier", most=6, longest=16) == "a long walk on"
    assert clean_phrases("w" * 40, most=6, longest=16) == "w" * 16


@given(answer=st.text(), most=st.integers(1, 5), longest=st.integers(16, 60))
def test_whatever_is_said_is_one_printable_line_of_limited_length(answer, most, longest):
    phrases = clean_phrases(answer, most=most, longest=longest)
    assert phrases.isprintable()
    assert len(phrases) <= longest
    assert phrases == phrases.strip()
    assert not phrases or any(sign.isalnum() for sign in phrases)
    assert len(phrases.split(", ")) <= most


@given(answer=st.text())
def test_phrases_that_are_clean_stay_as_they_are(answer):
    once = clean_phrases(answer, most=6, longest=160)
    assert clean_phrases(once, most=6, longest=160) == once
