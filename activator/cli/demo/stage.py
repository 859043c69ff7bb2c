"""What all acts have: where they happen, commands, runs of the local activator, and checks."""

import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from activator.errors import ActivatorError
from activator.local.activated import PATIENCE, Run, own_environment

# Writes one line; the second argument is "title", "command", "file" (a command that shows a
# file), "step", "listing" or "text".
Say = Callable[[str, str], None]


class DemoError(ActivatorError):
    """Something else happened than what would have been shown."""

    def __init__(self, message: str) -> None:
        super().__init__(f"the demonstration failed: {message}")


class Stage:
    """A directory, and what is shown of what happens in it.

    Args:
        directory: An empty directory; whoever has made it removes it.
        say: Called with each line to show.
        taken: Closes what marks our ports, at the end.
    """

    def __init__(self, directory: Path, say: Say, taken: ExitStack) -> None:
        self.directory = directory
        self._say = say
        self._taken = taken

    def have(self, name: str, act: Callable[["Stage"], None]) -> None:
        """Have a file that an earlier act has made, also where that was not shown."""
        if not (self.directory / name).exists():
            act(Stage(self.directory, lambda *_: None, self._taken))

    # --- what is shown -----------------------------------------------------------------

    def typed(self, text: str) -> None:
        """Show a command as it would be typed."""
        self._say(text, "command")

    def file(self, name: str) -> None:
        """Show a file."""
        self._say(f"cat {name}", "file")
        self.listing((self.directory / name).read_text())

    def step(self, text: str) -> None:
        """Show what is done next."""
        self._say(text, "step")

    def text(self, text: str) -> None:
        """Show what has happened."""
        self._say(text, "text")

    def listing(self, text: str) -> None:
        """Show a file, or what a command has printed."""
        for line in text.splitlines():
            self._say(line, "listing")

    def expect(self, holds: object, otherwise: str) -> None:
        """Fail unless something holds.

        Raises:
            ActivatorError: It does not.
        """
        if not holds:
            raise DemoError(otherwise)

    def port(self, number: int) -> int:
        """Return a free port of 127.0.0.1 that no other demonstration takes: this one, if it can.

        A name of a Unix socket, which ends with the process, says that it is taken.

        Raises:
            DemoError: There is none.
        """
        for port in (*range(number, number + 1000, 10), 0):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                mark = socket.socket(socket.AF_UNIX)
                try:
                    probe.bind(("127.0.0.1", port))
                    found = int(probe.getsockname()[1])
                    mark.bind(f"\0activator-demo-{found}")
                except OSError:
                    mark.close()
                    continue
            self._taken.enter_context(mark)
            return found
        raise DemoError("there is no free port")

    # --- what is done ------------------------------------------------------------------

    def write(self, name: str, text: str, *, show: bool = False) -> Path:
        """Write a file, making its directory, and show it if asked to."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if show:
            self.file(name)
        return path

    def command(self, *words: str, show: bool = True) -> str:
        """Run a command of `activator` to its end; show it, and what it prints.

        Raises:
            ActivatorError: It has failed.
        """
        self.typed(shlex.join(["activator", *words]))
        done = subprocess.run(
            [sys.executable, "-m", "activator", *words],
            cwd=self.directory,
            env=own_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
            timeout=PATIENCE,
        )
        said = (done.stderr.strip() or "nothing was said").splitlines()[-1]
        self.expect(done.returncode == 0, f"activator {words[0]} has failed: {said}")
        if show:
            self.listing(done.stdout)
        return done.stdout

    @contextmanager
    def run(self, *words: str) -> Iterator[Run]:
        """Run `activator run` in the body, with a control socket; it is stopped after it.

        Raises:
            ActivatorError: It does not end as it should, or leaves something behind.
        """
        arguments = [*words, "--runtime-dir", "run", "--control-socket", "ctl"]
        self.typed(f"{shlex.join(['activator', 'run', *arguments])} &")
        run = Run(arguments, own_environment(), str(self.directory))
        try:
            run.wait_for("open")
            for address in run.addresses:
                self.text(f"listens on {address.text}")
            yield run
        except BaseException:
            run.stop()
            raise
        status = run.stop()
        self.expect(status == 0, f"activator run has ended with status {status}")
        left = [pid for pid in run.pids if Path(f"/proc/{pid}").exists()]
        self.expect(not left, f"the processes {left} are left behind")
        sockets = [path.name for path in self.directory.rglob("*") if path.is_socket()]
        self.expect(not sockets, f"{sockets} are left behind")
        self.text(f"SIGTERM: all ended, status {status}, no process and no socket file is left")

    def control(self, verb: str, *names: str) -> str:
        """Run `activator ctl` on what runs."""
        return self.command("ctl", verb, *names, "--control-socket", "ctl")


def end_of(run: Run, pid: int) -> None:
    """Wait until a service's process has ended, and been told of.

    Raises:
        ActivationError: It has not in time.
    """
    count = 1
    while run.wait_for("ended", count=count)["pid"] != pid:
        count += 1


def kill(pid: int, number: int) -> None:
    """Send a signal to a process."""
    os.kill(pid, number)
