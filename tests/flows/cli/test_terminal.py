"""Titles and ids of sources are shown as text: a terminal obeys none of them."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.cli.terminal import CONTROLS, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("evil\u202egpj.exe", r"evil\u202egpj.exe"),
        ("\x9b31m", r"\x9b31m"),
        ("Жанна 安 naïve\n\tIndented", "Жанна 安 naïve\n\tIndented"),
        ("bell\a and back\b\r", r"bell\x07 and back\x08\r"),
    ],
)
def test_signs_that_a_terminal_obeys_are_spelled_out_and_others_stay(text, shown):
    assert printable(text) == shown


@pytest.mark.whole
@given(text=st.text())
def test_nothing_that_is_shown_is_a_control_sign(text):
    shown = printable(text)
    assert not [sign for sign in shown if sign not in "\n\t" and unicodedata.category(sign) in CONTROLS]
    assert printable(shown) == shown
