"""Prefect's server as a process that ends with the one that started it, even if that is killed.

A process that is killed cannot end what it has started, but the pipe that it held is closed then.
"""

import subprocess
import sys
import threading


def main() -> int:
    """Run `prefect server start` with this process's arguments until it ends, or standard input does."""
    server = subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start", *sys.argv[1:]], stdin=subprocess.DEVNULL
    )
    threading.Thread(target=_end_with_input, args=(server,), daemon=True).start()
    return server.wait()


def _end_with_input(server: subprocess.Popen[bytes]) -> None:
    sys.stdin.buffer.read()
    server.terminate()


if __name__ == "__main__":
    sys.exit(main())
