"""What is said of rows whose truth is known."""

import re
from dataclasses import replace

import numpy as np
import pytest

from evaluation.measures.picture_measures import MEASURES, P_VALUES
from evaluation.report.markdown import write_table
from evaluation.statistics.findings import find
from evaluation.statistics.intervals import Resampling
from tests.evaluation.result_rows import result_row

USERS = range(12)
GROUPS = {"plain": "baseline", "full": "baseline", "history of another user": "control"}
NOISE = np.random.default_rng(0).normal(size=len(USERS))


def row(variant, measure, user, value):
    is_judged = measure in P_VALUES or MEASURES[measure].by_judge
    judge = "somebody" if is_judged else "the model"
    return result_row(variant, GROUPS[variant], measure, user, value, judge=judge)


def results(added, p_values):
    """Rows of variants that add so much to plain pictures, some users more and some less."""
    rows = [
        row(variant, measure, user, 20 + amount + (0.1 * noise if amount else 0))
        for variant, amount in {"plain": 0, **added}.items()
        for measure in MEASURES
        for user, noise in zip(USERS, NOISE, strict=True)
    ]
    rows += [
        row(variant, measure, None, p_value)
        for variant, p_value in {"plain": 1.0, **p_values}.items()
        for measure in P_VALUES
    ]
    return rows


def found(full, another, p_full=0.001, p_another=0.5):
    rows = results(
        {"full": full, "history of another user": another},
        {"full": p_full, "history of another user": p_another},
    )
    return find(rows, list(GROUPS), Resampling())


def test_what_is_added_beyond_chance_is_personal():
    findings = found(full=2.0, another=-0.5)
    assert findings.variants["full"].is_personal
    assert findings.failed_controls == []
    assert findings.verdict.startswith("Personalization is shown on these 12 users.")
    assert (findings.judge, findings.num_users, findings.num_pictures) == ("somebody", 12, 24)


@pytest.mark.parametrize("p_full", [0.05, 0.001])
def test_a_little_beyond_chance_is_personal_at_the_level_of_the_intervals(p_full):
    assert found(full=0.5, another=0.0, p_full=p_full).variants["full"].is_personal


def test_variants_stand_in_the_order_that_is_asked_for_and_others_after_them():
    control = "history of another user"
    rows = results({"full": 2.0, control: 0.0}, {"full": 0.01, control: 1.0})
    findings = find(rows, ["full", "plain"], Resampling())
    assert list(findings.variants) == ["full", "plain", control]
    assert [one.name for one in findings.variants.values()] == list(findings.variants)


def test_what_is_said_of_all_users_are_p_values_and_costs_each_by_itself():
    rows = results({"full": 2.0}, {"full": 0.01})
    rows.append(result_row("full", "baseline", "seconds_per_target", None, 1.5, judge="the clock"))
    full = find(rows, ["plain", "full"], Resampling()).variants["full"]
    assert full.costs == {"seconds_per_target": 1.5}
    assert full.p_values == dict.fromkeys(P_VALUES, 0.01)


@pytest.mark.parametrize(("full", "p_full"), [(2.0, 0.2), (0.001, 0.001), (0, 0.001), (-2.0, 0.001)])
def test_chance_or_an_interval_about_zero_is_not(full, p_full):
    findings = found(full=full, another=0.0, p_full=p_full)
    assert not findings.variants["full"].is_personal
    assert "is not shown" in findings.verdict


def test_a_control_that_comes_out_personal_casts_doubt_on_the_verdict():
    findings = found(full=2.0, another=2.0, p_another=0.01)
    assert findings.failed_controls == ["history of another user"]
    assert "Do not trust this: history of another user came out personal" in findings.verdict


def test_users_without_a_picture_are_not_counted():
    rows = [
        replace(one, value=None, num_pictures=0) if one.user_key == 3 else one
        for one in results({"full": 2.0}, {"full": 0.01})
    ]
    findings = find(rows, ["plain", "full"], Resampling())
    assert findings.num_users == 11
    assert findings.variants["full"].comparison.means["clip_target"].num_users == 11


def test_the_table_has_a_row_per_variant_and_says_by_whom_they_were_measured():
    caption, _, *table = write_table(found(full=2.0, another=0.0)).splitlines()
    assert caption.startswith("12 users of `films`, 24 pictures per variant; judge `somebody` (0123). ")
    assert re.search(r"These users tell .* 0\.\d\d from plain .* 80% of the time; \d+ users tell", caption)
    assert [line.split("|")[1].strip() for line in table] == ["variant", "---", *GROUPS, "a guess"]
    assert {line.count("|") for line in table} == {table[0].count("|")}
    assert "| yes | +2.0" in table[3]
    assert "+10.0 % / +10.0 %" in table[3].replace("+9.9", "+10.0").replace("+10.1", "+10.0")
