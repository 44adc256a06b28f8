"""Runs the code blocks of a page as its reader would: one shell from the first block to the last."""

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.DOTALL | re.MULTILINE)
STAYS = re.compile(r"^(fan serve|fan schedule|mlflow models serve|prefect worker start)\b.*$", re.MULTILINE)
"""Commands that run until they are stopped; the reader goes on in another terminal."""
READY = {
    "fan serve": "curl -sf 127.0.0.1:$PORT/ready",
    "mlflow models serve": "curl -sf 127.0.0.1:$PORT/ping",
    "fan schedule": "grep -q Serving stays.log",
    "prefect worker start": "grep -q started stays.log",
}
SHELL = """
set -eo pipefail
leave() {
    [ -n "$stays" ] || return 0
    kill -TERM -- -$stays
    for _ in $(seq 50); do kill -0 $stays || break; sleep 0.2; done
    kill -KILL -- -$stays || true
    stays=
} 2> /dev/null
stay() {  # a command that stays, and how to see that it is ready
    leave
    setsid bash -c "exec $1" > stays.log 2>&1 & stays=$!
    for _ in $(seq 600); do
        kill -0 $stays 2>/dev/null || { cat stays.log >&2; return 1; }
        if eval "$2" > /dev/null 2>&1; then return; fi
        sleep 0.2
    done
    cat stays.log >&2; return 1
}
trap leave EXIT
"""
MOST_SECONDS = 600


@dataclass
class PageRunner:
    """Where the blocks of a page run, and what is there in the place of what the page takes for granted."""

    folder: Path
    port: int
    places: dict[str, str] = field(default_factory=dict)
    """What the page names, and what stands for it here."""
    elsewhere: tuple[str, ...] = ("\0",)
    """How blocks begin that are run elsewhere."""
    aside: str = "\0"
    """How blocks begin that run in a folder of their own."""
    program_start: str = ""
    """What the page's Python takes for granted."""
    program: str = "python page.py"
    """How it is run."""
    variables: dict[str, str] = field(default_factory=dict)

    def run(self, page: str) -> None:
        """Run the blocks one after the other; raises what the first that fails wrote."""
        done = self._start(self._script(page))
        try:
            output, _ = done.communicate("y\n" * 20, timeout=MOST_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(done.pid, signal.SIGTERM)
            raise
        assert done.returncode == 0, output[-4000:]

    def _start(self, script: str) -> subprocess.Popen[str]:
        environment = os.environ | {"PORT": str(self.port)} | self.variables
        environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return subprocess.Popen(
            ["bash", "-c", script],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def _script(self, page: str) -> str:
        """Return a shell's script of all blocks; Python blocks are one program, run where the last one is."""
        blocks = [(language, self._placed(text)) for language, text in BLOCK.findall(page)]
        program = "\n".join(
            [self.program_start, *(text for language, text in blocks if language == "python")]
        )
        (self.folder / "page.py").write_text(program)
        last = max((place for place, (language, _) in enumerate(blocks) if language == "python"), default=-1)
        lines = [
            self._shell(text) if language == "sh" else self.program if place == last else ""
            for place, (language, text) in enumerate(blocks)
            if not text.startswith(self.elsewhere)
        ]
        return "\n".join([SHELL, *lines])

    def _shell(self, text: str) -> str:
        """Let commands that stay run beside what follows, once they are ready."""
        text = STAYS.sub(lambda line: f"stay '{line[0].split('  #')[0]}' '{_escaped(READY[line[1]])}'", text)
        return f"mkdir aside; cd aside\n{text}\ncd -" if text.startswith(self.aside) else text

    def _placed(self, text: str) -> str:
        for name, stand_in in self.places.items():
            text = text.replace(name, stand_in)
        return text


def _escaped(text: str) -> str:
    return text.replace("'", "'\\''")
