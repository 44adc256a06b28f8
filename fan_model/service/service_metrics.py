"""What the service counts, in Prometheus' text format."""

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from fan_model.drawing.artist import Artwork

SECONDS_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 60)


class ServiceMetrics:
    """Counters of one service, from its start.

    Args:
        num_owed: Says how many pictures are waiting or being drawn.
    """

    def __init__(self, num_owed: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "fan_requests", "HTTP requests answered.", ["path", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "fan_request_seconds",
            "Seconds from a request's first byte to its answer.",
            ["path"],
            buckets=SECONDS_BUCKETS,
            registry=self._registry,
        )
        self._pictures = Counter(
            "fan_pictures",
            "Pictures asked for in bodies that could be read: drawn, flagged (not shown), or refused.",
            ["outcome"],
            registry=self._registry,
        )
        for outcome in ("drawn", "flagged", "refused"):
            self._pictures.labels(outcome)
        queue = Gauge("fan_queue_pictures", "Pictures waiting or being drawn.", registry=self._registry)
        queue.set_function(num_owed)
        ProcessCollector(registry=self._registry)

    def count_request(self, path: str, status: int, seconds: float) -> None:
        """Count a request that was answered; `path` is one of few, whatever was asked for."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def count_artworks(self, artworks: Sequence[Artwork]) -> None:
        """Count pictures that were answered."""
        num_flagged = sum(artwork.flagged for artwork in artworks)
        self._pictures.labels("flagged").inc(num_flagged)
        self._pictures.labels("drawn").inc(len(artworks) - num_flagged)

    def count_refused(self, num_pictures: int) -> None:
        """Count pictures that were asked for and refused."""
        self._pictures.labels("refused").inc(num_pictures)

    def expose(self) -> bytes:
        """Write all counters in Prometheus' text format."""
        return generate_latest(self._registry)
