"""Rows of results, as measuring makes them."""

from datetime import UTC, datetime

from evaluation.protocol.results import EvaluationResult


def result_row(variant, group, measure, user, value, *, judge="somebody"):
    """A measure of one user's pictures in one variant."""
    return EvaluationResult(
        run_id="run",
        data_set="films",
        user_key=user,
        variant=variant,
        variant_group=group,
        alpha=0.3,
        selection="tailored",
        measure=measure,
        value=value,
        scale="100 * cosine",
        judge=judge,
        judge_fingerprint="0123",
        judge_is_independent=True,
        num_pictures=2,
        model_version="1",
        recipe_digest="recipe",
        snapshot_id=1,
        measured_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
