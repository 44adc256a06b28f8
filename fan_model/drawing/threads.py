"""How many threads draw: always as many, so that a picture is the same on every machine."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

DRAWING_THREADS = 2
"""Threads that draw on a CPU, however many cores there are. How a convolution is split depends on it:
with one, three or eight threads a picture would depend on its batch, and each machine draw other bytes."""


@contextmanager
def drawing_threads() -> Iterator[None]:
    """Let torch compute with the threads that draw, in the thread that calls."""
    before = torch.get_num_threads()
    torch.set_num_threads(DRAWING_THREADS)
    try:
        yield
    finally:
        torch.set_num_threads(before)
