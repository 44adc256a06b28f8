"""Nights in processes of their own that can be killed: `python -m tests.flows.night_runner`.

The runner imports everything once and forks a process for each settings file named on its input, so that a
night that is killed costs no imports. It answers with the process's id and, when that has ended, with its
exit status.
"""

import os
import sys
import traceback
from functools import partial
from pathlib import Path


def serve(nightly):
    for line in sys.stdin:
        night = os.fork()
        if not night:
            os._exit(run(nightly, line.strip()))
        print(night, flush=True)
        print(os.waitpid(night, 0)[1], flush=True)


def run(nightly, settings_file):
    try:
        nightly(settings_file)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    from flows.environment import prepare_environment

    prepare_environment(Path(os.environ["PREFECT_HOME"]))
    from flows.schedule.nightly import nightly
    from flows.schedule.prefect_tasks import tell_all

    serve(lambda settings_file: tell_all(partial(nightly, settings_file)))
