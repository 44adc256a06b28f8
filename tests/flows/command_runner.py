"""Commands in processes of their own that can be killed: `python -m tests.flows.command_runner`.

The runner imports everything once and forks a process for each command on its input, a JSON list of words,
so that a command that is killed costs no imports. It answers with the process's id and, when that has ended,
with its exit status and what it said.
"""

import json
import os
import sys
import tempfile


def serve():
    for line in sys.stdin:
        with tempfile.TemporaryFile("w+") as said:
            command = os.fork()
            if not command:
                os._exit(run(json.loads(line), said))
            print(command, flush=True)
            status = os.waitpid(command, 0)[1]
            said.seek(0)
            print(json.dumps([status, said.read()]), flush=True)


def run(words, said):
    from flows.cli import main

    os.dup2(said.fileno(), 1)
    os.dup2(said.fileno(), 2)
    sys.argv = ["fan", *words]
    try:
        main()
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    import flows.cli
    import flows.schedule.nightly
    import flows.stages.night

    assert flows
    serve()
