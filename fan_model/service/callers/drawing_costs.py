"""What a picture costs in seconds: learnt from batches that were drawn, by their texts and their pixels."""

from collections.abc import Iterable

import numpy as np

from fan_model.drawing.requests import ArtworkRequest, DrawingOptions

FORGETTING = 0.9
"""Weight of what was learnt before, at each new batch: a machine may become slow, or free again."""
SHORTEST_SECONDS = 1e-3
"""No picture is faster; a flagged one, which is not drawn, says nothing about speed."""


class DrawingCosts:
    """Seconds per text to encode and per pixel and step to draw, by least squares over the latest batches.

    Args:
        own_side: Side of pictures whose size is not asked for, in pixels.
    """

    def __init__(self, own_side: int) -> None:
        self._own_side = own_side
        self._products, self._seconds = np.zeros((2, 2)), np.zeros(2)
        self._rates = np.zeros(2)
        self.is_known = False
        """Whether a batch was measured yet."""

    def expect(self, request: ArtworkRequest, options: DrawingOptions) -> float:
        """Seconds that a picture will take; the shortest while nothing is known."""
        return self.take(self.work([request], options))

    def take(self, work: np.ndarray) -> float:
        """Seconds that work will take; the shortest while nothing is known."""
        return max(float(work @ self._rates), SHORTEST_SECONDS)

    def work(self, requests: Iterable[ArtworkRequest], options: DrawingOptions) -> np.ndarray:
        """[2] texts to encode, and thousands of pixels times steps to draw, of all of them."""
        return np.sum([self._work(request, options) for request in requests], axis=0)

    def learn(self, requests: Iterable[ArtworkRequest], options: DrawingOptions, seconds: float) -> None:
        """Take note of how long a batch took."""
        work = self.work(requests, options)
        self._products = FORGETTING * self._products + np.outer(work, work)
        self._seconds = FORGETTING * self._seconds + work * seconds
        self._rates, self.is_known = self._solve(), True

    def _work(self, request: ArtworkRequest, options: DrawingOptions) -> np.ndarray:
        height, width = (side or self._own_side for side in (options.height, options.width))
        return np.array([1.0 + len(request.references), height * width * options.steps / 1000])

    def _solve(self) -> np.ndarray:
        """The rates, none below zero: what cannot be told apart yet is all put down to the pixels."""
        rates = np.linalg.lstsq(self._products, self._seconds, rcond=1e-9)[0]
        if (rates >= 0).all():
            return np.asarray(rates)
        pixels_alone = self._seconds[1] / self._products[1, 1]
        texts_alone = self._seconds[0] / self._products[0, 0]
        return np.array([texts_alone, 0.0]) if rates[1] < 0 else np.array([0.0, pixels_alone])
