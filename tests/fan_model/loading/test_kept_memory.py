"""Memory that was freed is kept for the next picture."""

import subprocess
import sys

import pytest

from fan_model.loading.kept_memory import keep_freed_memory

PROGRAM = """
import resource, sys, threading
from fan_model.loading.kept_memory import keep_freed_memory
import torch

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def take_and_free():
    for _ in range(20):
        torch.ones(16_000_000)

def measure():
    take_and_free()
    before = faults()
    take_and_free()
    print(faults() - before)

if sys.argv[1] == "kept":
    assert keep_freed_memory()
thread = threading.Thread(target=measure)
thread.start()
thread.join()
"""


def faults_of(way):
    """How many pages the system gave for 20 tensors of 64 MB, of 15,625 pages each."""
    run = subprocess.run([sys.executable, "-c", PROGRAM, way], capture_output=True, text=True, check=True)
    return int(run.stdout)


@pytest.mark.skipif(not keep_freed_memory(), reason="the C library is another")
def test_in_any_thread_what_was_freed_is_taken_again_without_the_system():
    assert faults_of("plain") > 20 * 10_000
    assert faults_of("kept") < 1_000
