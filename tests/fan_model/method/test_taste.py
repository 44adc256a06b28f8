import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fan_model.method.taste import blend_tastes, group_taste, style_taste, with_house_style
from fan_model.request_errors import RequestError

tastes = st.dictionaries(st.sampled_from("abcdef"), st.floats(0.01, 100), max_size=4)


def test_members_count_by_their_share_however_long_their_history():
    household = group_taste([{"noir": 10.0, "neon": 30.0}, {"pastel": 1.0}], [3.0, 1.0])
    assert household == pytest.approx({"noir": 0.1875, "neon": 0.5625, "pastel": 0.25})


def test_what_several_members_like_has_the_sum_of_its_weights():
    assert group_taste([{"noir": 1.0, "neon": 1.0}, {"noir": 5.0}]) == pytest.approx(
        {"noir": 0.75, "neon": 0.25}
    )


@given(st.lists(tastes, max_size=4))
def test_a_groups_weights_sum_to_one_unless_nobody_has_a_history(members):
    blended = group_taste(members)
    assert math.fsum(blended.values()) == pytest.approx(1 if any(members) else 0)
    assert set(blended) == {reference for member in members for reference in member}


@given(tastes.filter(bool), tastes.filter(bool), st.floats(0.01, 0.99))
def test_the_house_has_its_share_of_the_weight(taste, house, share):
    house = {f"house {reference}": weight for reference, weight in house.items()}
    mixed = with_house_style(taste, house, share=share)
    assert math.fsum(mixed[reference] for reference in house) == pytest.approx(share)


@pytest.mark.parametrize(("share", "expected"), [(0, {"noir": 1.0}), (1, {"flat": 1.0})])
def test_a_share_of_nothing_or_all_leaves_one_of_the_two(share, expected):
    assert with_house_style({"noir": 2.0}, {"flat": 3.0}, share=share) == expected


def test_a_group_counts_every_member_alike_and_a_style_takes_its_share():
    members = [{"noir": 10.0, "neon": 30.0}, {"pastel": 1.0}]
    assert blend_tastes(members, style=None, style_share=0.5) == group_taste(members)
    styled = blend_tastes(members, style="pixel art", style_share=0.2)
    assert styled == pytest.approx({"pixel art": 0.2, "pastel": 0.4, "noir": 0.1, "neon": 0.3})
    assert blend_tastes([], style="pixel art", style_share=0.2) == {"pixel art": 1.0}


def test_a_user_without_history_gets_the_house_style():
    assert with_house_style({}, {"flat": 3.0}, share=0.2) == {"flat": 1.0}


def test_a_single_prompt_is_a_taste_of_one_reference():
    assert style_taste("watercolor") == {"watercolor": 1.0}


@pytest.mark.parametrize(
    ("work", "complaint"),
    [
        (
            lambda: group_taste([{"a": 1.0}], [1.0, 2.0]),
            "shares must be as many as the members: there are 1, give one for each",
        ),
        (lambda: group_taste([{"a": 1.0}], 1.0), "shares must be as many as the members"),
        (lambda: group_taste([{"a": 1.0}], ["x"]), "1 of 1 shares are not finite numbers above 0"),
        (lambda: group_taste([{"a": 1.0}], [0.0]), "1 of 1 shares"),
        (lambda: group_taste([{"a": "x"}]), "1 of 1 weights are not finite numbers above 0"),
        (
            lambda: group_taste([{"a": 1e308, "b": 1e308}]),
            "weights must add up to a finite number: divide all",
        ),
        (lambda: group_taste([{"a": 1.0}] * 2, [1e308] * 2), "shares must add up to a finite number"),
        (lambda: with_house_style({}, {}, share="x"), "share must be a number between 0 and 1"),
        (lambda: blend_tastes({"a": 1.0}, style=None, style_share=0.5), "members must be a list of tastes"),
        (lambda: blend_tastes([["a", "b"]], style=None, style_share=0.5), "members must be a list of tastes"),
        (lambda: blend_tastes([{5: 1.0}], style=None, style_share=0.5), "members must be a list of tastes"),
        (lambda: blend_tastes(None, style=None, style_share=0.5), "members must be a list of tastes"),
        (lambda: group_taste([{"a": 1.0, "b": math.nan}]), "1 of 2 weights"),
        (lambda: with_house_style({}, {}, share=1.5), "share must be a number between 0 and 1"),
    ],
)
def test_what_is_no_taste_and_numbers_out_of_range_are_refused(work, complaint):
    with pytest.raises(RequestError, match=complaint):
        work()
