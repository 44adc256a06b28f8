"""Tasks that machines run in the tests: they sleep, and say where."""

import os
import time

LOADED = []
"""What a process loads once, as a model."""


def sleep(seconds, item):
    """Sleep; return the item, the process, and how often the process has loaded what it keeps."""
    if not LOADED:
        LOADED.append(os.getpid())
        time.sleep(0.2)
    time.sleep(seconds)
    return item, os.getpid(), len(LOADED), os.environ["FAN_WORKSPACE"]


def fail(item):
    """Fail as a task of a night does."""
    raise ValueError(f"bucket {item} cannot be read")


def fail_once(folder, item):
    """Lose the network the first time."""
    mark = f"{folder}/{item}"
    if not os.path.exists(mark):
        open(mark, "w").close()
        raise ConnectionResetError("the network drops")
    return item
