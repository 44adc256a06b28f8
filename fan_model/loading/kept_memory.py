"""What a CPU draws with is kept for the next picture, not given back to the system and asked for again.

Decoding takes blocks of tens of megabytes and frees them. Those of more than 32 glibc gives back at once and
asks for anew, and the system fills them with zeros: a quarter of the processor time of a picture of the
bundled model.
"""

import ctypes
import sys
from functools import cache

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8
"""glibc's parameters of `mallopt`, see mallopt(3)."""
GIBIBYTE = 2**30


@cache
def keep_freed_memory() -> bool:
    """Let this process keep up to two gibibytes that it has freed; once, and for all of its threads.

    Blocks of up to a gibibyte then come out of one heap that all threads share, for a thread's own heap
    holds no large ones.

    Returns:
        Whether the C library is one that can.
    """
    if sys.platform != "linux":
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    asked = {MMAP_THRESHOLD: GIBIBYTE, TRIM_THRESHOLD: 2 * GIBIBYTE - 1, ARENA_MAX: 1}
    return all([library.mallopt(name, value) == 1 for name, value in asked.items()])
