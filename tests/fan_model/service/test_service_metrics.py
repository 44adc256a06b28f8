"""Counters in Prometheus' text format, as its own parser reads them."""

from prometheus_client.parser import text_string_to_metric_families

from fan_model.drawing.artist import Artwork
from fan_model.service.service_metrics import ServiceMetrics

OUTCOMES = ("drawn", "flagged", "refused")


def artwork(*, flagged):
    return Artwork(
        image=b"", mime_type="image/png", references_used=(), weights_used=(), artwork_digest="d", seed=0,
        flagged=flagged,
    )  # fmt: skip


def read(metrics):
    families = text_string_to_metric_families(metrics.expose().decode())
    return {(one.name, *one.labels.values()): one.value for each in families for one in each.samples}


def test_all_outcomes_are_there_from_the_start():
    counters = read(ServiceMetrics(lambda: 0))
    assert [counters["fan_pictures_total", outcome] for outcome in OUTCOMES] == [0, 0, 0]


def test_pictures_are_counted_by_outcome():
    metrics = ServiceMetrics(lambda: 5)
    metrics.count_artworks([artwork(flagged=True), artwork(flagged=False), artwork(flagged=False)])
    metrics.count_refused(4)
    counters = read(metrics)
    assert [counters["fan_pictures_total", outcome] for outcome in ("drawn", "flagged", "refused")] == [
        2,
        1,
        4,
    ]
    assert counters["fan_queue_pictures",] == 5


def test_requests_are_counted_by_path_and_status_and_timed():
    metrics = ServiceMetrics(lambda: 0)
    for status, seconds in ((200, 0.3), (200, 3), (429, 0.001)):
        metrics.count_request("/artworks", status, seconds)
    counters = read(metrics)
    assert counters["fan_requests_total", "/artworks", "200"] == 2
    assert counters["fan_requests_total", "/artworks", "429"] == 1
    assert counters["fan_request_seconds_bucket", "0.01", "/artworks"] == 1
    assert counters["fan_request_seconds_bucket", "0.5", "/artworks"] == 2
    assert counters["fan_request_seconds_count", "/artworks"] == 3
