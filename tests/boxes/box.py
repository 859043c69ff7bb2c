"""One booted systemd: start it, run things in it, end it."""

import fcntl
import io
import itertools
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from pathlib import Path, PurePosixPath
from time import monotonic, sleep
from types import TracebackType
from typing import Any, ClassVar, Self

from tests.boxes import keeper
from tests.boxes.needs import cgroup_mount
from tests.boxes.roots import locked, use_lock

# Generous: they are only reached by a test that fails, and the machine is shared with others.
BOOT_S = 180.0
WAIT_S = 60.0
RUN_S = 300.0
PREFIX = "activator-box"
UNITS = PurePosixPath("/etc/systemd/system")
ENVIRONMENT = {
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "SYSTEMD_COLORS": "0",
    "SYSTEMD_PAGER": "",
}

_numbers = itertools.count(1)


class BoxError(Exception):
    """A box did not boot, or what was run in it went wrong; the message has all output."""


class Inside(subprocess.Popen[str]):
    """A process in a box; its signals and its exit status are those of the process inside."""

    def send_signal(self, sig: int) -> None:
        """Signal the process inside: the one started here is nsenter, which waits for it."""
        # Were nsenter killed in place of a child that it is about to have, that would stay.
        while self.poll() is None:
            if children := Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
                with suppress(ProcessLookupError):  # it has just ended by itself
                    os.kill(int(children[0]), sig)
                return
            sleep(0.005)


class Box:
    """A container with systemd as process 1, of its own network and a throw-away file system.

    Use it as a context manager: it is up in the body and gone without a trace after it. Every
    command sees the box's own loopback, so ports never clash with those of another box.

    Attributes:
        suite: The Debian suite it runs, such as "trixie".
        name: Its unique machine name.
        cgroup: Its cgroup on this machine.
        directory: Its directory on this machine, with what it wrote to its console.
        pid: The process id of its process 1, seen from this machine.
    """

    python = "/usr/bin/python3"
    # What a kind of box wants of systemd-nspawn besides, as variables and as options.
    environment: ClassVar[Mapping[str, str]] = {}
    options: ClassVar[Sequence[str]] = ()

    def __init__(self, suite: str, tree: Path) -> None:
        """Prepare a box of a suite from its root file system; nothing runs yet."""
        mount = cgroup_mount()
        assert mount, "no cgroup v2"
        self.suite = suite
        self.name = f"{PREFIX}-{os.getpid()}-{next(_numbers)}-{suite}"
        self.cgroup = mount / self.name
        self.pid = 0
        self.directory = Path()
        self._tree = tree
        self._process: subprocess.Popen[bytes] | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Boot, and wait until systemd has started everything."""
        remove_stale_cgroups()
        with ExitStack() as stack:
            self.directory = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix=f"{PREFIX}-"))
            )
            # Kept open: when the box ends by itself, its directory goes with it.
            self._log = stack.enter_context((self.directory / "console").open("w+b"))
            stack.enter_context(locked(use_lock(self._tree), fcntl.LOCK_SH))
            stack.callback(self._stop)
            self._boot()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the box and wait until nothing of it is left."""
        self._stack.close()

    def stop(self) -> None:
        """End the box now; leaving the context afterwards does nothing more."""
        self._stack.close()

    # ---- life

    def _boot(self) -> None:
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        with notify:
            address = str(self.directory / "notify")
            notify.bind(address)
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-I", keeper.__file__),
                    *(str(self.cgroup), str(self.directory), *self._command()),
                ],
                stdin=subprocess.PIPE,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=os.environ
                | {
                    "NOTIFY_SOCKET": address,
                    "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
                    # Boxes share a tree, each with its own overlay on it; nspawn would allow one.
                    "SYSTEMD_NSPAWN_LOCK": "0",
                }
                | dict(self.environment),
            )
            self._await_ready(notify)
        state = self.run("systemctl", "is-system-running", "--wait", check=False, timeout=BOOT_S)
        if state.stdout.strip() != "running":
            failed = self.run("systemctl", "--failed", "--plain", "--no-legend", check=False).stdout
            raise BoxError(f"{self.name} is {state.stdout.strip()}, failed:\n{failed}")

    def _command(self) -> list[str]:
        return [
            "systemd-nspawn",
            "--quiet",
            "--settings=no",
            "--register=no",
            "--keep-unit",
            "--link-journal=no",
            "--volatile=overlay",
            "--private-network",
            "--boot",
            "--console=pipe",
            "--notify-ready=yes",
            # SIGTERM then ends the box at once, with all in it, and nspawn cleans up.
            "--kill-signal=SIGKILL",
            f"--machine={self.name}",
            "--hostname=box",
            # For IPAddressDeny=, SocketBindDeny= and DeviceAllow=, which are BPF programs.
            "--system-call-filter=bpf",
            *self.options,
            f"--directory={self._tree}",
        ]

    def _await_ready(self, notify: socket.socket) -> None:
        """Wait for nspawn's messages: the process id first, READY=1 when systemd is up."""
        assert self._process
        deadline = monotonic() + BOOT_S
        ended = os.pidfd_open(self._process.pid)
        try:
            while True:
                left = deadline - monotonic()
                readable, _, _ = select.select([notify.fileno(), ended], [], [], max(left, 0))
                if notify.fileno() in readable:
                    lines = notify.recv(65536).decode(errors="replace").splitlines()
                    for line in lines:
                        if line.startswith("X_NSPAWN_LEADER_PID="):
                            self.pid = int(line.partition("=")[2])
                    if "READY=1" in lines:
                        return
                    continue
                what = "ended while it booted" if ended in readable else "did not boot in time"
                raise BoxError(f"{self.name} {what}; its console:\n{self.console()}")
        finally:
            os.close(ended)

    def _stop(self) -> None:
        """Break the pipe to the keeper, which ends the box, and wait for it."""
        process, self._process, self.pid = self._process, None, 0
        if process is None:
            return
        assert process.stdin
        process.stdin.close()
        process.wait(3 * keeper.GRACE_S)

    def console(self) -> str:
        """Return what the box wrote to its console so far."""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    # ---- commands

    def _enter(self, argv: tuple[str, ...]) -> list[str]:
        assert self.pid, f"{self.name} is not running"
        nsenter = shutil.which("nsenter")
        assert nsenter
        return [
            *(nsenter, f"--target={self.pid}", "--all"),
            # Should nsenter be killed, with this test run, its child inside is not left behind.
            *("setpriv", "--pdeathsig=KILL"),
            # Whatever a run in the background, or nohup, has this test run ignore.
            *("env", "--default-signal=HUP,INT,QUIT", *argv),
        ]

    def run(
        self,
        *argv: str,
        input: str | None = None,  # noqa: A002 - subprocess.run's own name
        check: bool = True,
        timeout: float = RUN_S,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the box as root, and wait for it.

        Args:
            argv: The program, found through the box's PATH, and its arguments.
            input: What it reads from standard input; without it, that is empty.
            check: Whether an exit status other than 0 is an error.
            timeout: Seconds after which it is killed.

        Returns:
            Its exit status and its output, as text.

        Raises:
            BoxError: It failed, with ``check``; the message has its output.
            subprocess.TimeoutExpired: It took too long.
        """
        with self.popen(*argv, errors="replace") as process:
            try:
                stdout, stderr = process.communicate(input or "", timeout)
            except BaseException:
                process.kill()
                raise
        done = subprocess.CompletedProcess(argv, process.returncode, stdout, stderr)
        if check and done.returncode:
            raise BoxError(
                f"{self.suite}: {' '.join(argv)}: status {done.returncode}\n"
                f"{done.stdout}{done.stderr}"
            )
        return done

    def popen(self, *argv: str, **options: Any) -> Inside:
        """Start a long-running command in the box; the caller ends it and waits for it.

        Args:
            argv: The program and its arguments.
            options: What else ``subprocess.Popen`` takes; all three streams are text pipes
                unless told otherwise.
        """
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        settings: dict[str, Any] = pipes | {"text": True, "env": ENVIRONMENT} | options
        return Inside(self._enter(argv), **settings)

    def write(self, path: str | PurePosixPath, content: str | bytes, mode: int = 0o644) -> None:
        """Write a file in the box, with the directories above it; a regular file atomically.

        What is starting in the box reads the old text or the new one, never half of it.
        """
        # Through a process inside: /proc/PID/root would follow absolute links to this machine.
        script = """\
mkdir -p "${1%/*}" || exit
if [ -L "$1" ] || { [ -e "$1" ] && [ ! -f "$1" ]; }; then
    cat >"$1" && chmod "$2" "$1"
else
    cat >"$1.new" && chmod "$2" "$1.new" || exit
    [ ! -e "$1" ] || chown --reference="$1" "$1.new" || exit
    mv -T "$1.new" "$1"
fi
"""
        data = content.encode() if isinstance(content, str) else content
        argv = ("sh", "-c", script, "sh", str(path), f"{mode:o}")
        done = subprocess.run(
            self._enter(argv), input=data, capture_output=True, check=False, env=ENVIRONMENT
        )
        if done.returncode:
            raise BoxError(f"{self.suite}: {path}: {done.stderr.decode(errors='replace')}")

    def read(self, path: str | PurePosixPath) -> str:
        """Return a file's text."""
        return self.run("cat", str(path)).stdout

    def exists(self, path: str | PurePosixPath) -> bool:
        """Tell whether something is at a path."""
        return not self.run("test", "-e", str(path), check=False).returncode

    def write_all(self, directory: PurePosixPath, files: Mapping[str, str]) -> None:
        """Write files below a directory that exists, as root's, with one command for all."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for name, text in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content := text.encode())
                tar.addfile(member, io.BytesIO(content))
        argv = ("tar", "--extract", "--no-same-owner", f"--directory={directory}")
        done = subprocess.run(
            self._enter(argv),
            input=archive.getvalue(),
            capture_output=True,
            check=False,
            env=ENVIRONMENT,
        )
        if done.returncode:
            raise BoxError(f"{self.suite}: {directory}: {done.stderr.decode(errors='replace')}")

    # ---- systemd

    @cached_property
    def version(self) -> int:
        """The version of systemd, such as 257."""
        words = self.systemctl("--version").stdout.split()
        return int(re.match(r"\d+", words[1])[0])  # type: ignore[index]

    def systemctl(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run systemctl in the box."""
        return self.run("systemctl", *argv, check=check)

    def show(self, unit: str, name: str) -> str:
        """Return the value of one property of a unit."""
        return self.systemctl("show", f"--property={name}", "--value", "--", unit).stdout.strip()

    def journal(self, unit: str, *more: str) -> str:
        """Return the log of a unit, messages only; more words for journalctl choose among them."""
        self.run("journalctl", "--sync")
        words = ("--output=cat", "--no-pager", f"--unit={unit}", *more)
        return self.run("journalctl", *words).stdout

    @contextmanager
    def connected(self, address: str, number: int) -> Iterator[None]:
        """Have clients (socat) connected in the body, each waiting for an answer."""
        processes = [self.popen("socat", "-u", address, "-") for _ in range(number)]
        try:
            yield
        finally:
            for process in processes:
                process.kill()
                process.communicate()

    def wait_for(
        self, condition: Callable[[], object], what: str = "", timeout: float = WAIT_S
    ) -> None:
        """Wait until a condition holds.

        Raises:
            BoxError: It does not hold in time; the message says what was waited for.
        """
        deadline = monotonic() + timeout
        while not condition():
            if monotonic() > deadline:
                raise BoxError(f"{self.suite}: not within {timeout:g} s: {what or condition}")
            sleep(0.02)

    def wait_state(self, unit: str, state: str, timeout: float = WAIT_S) -> None:
        """Wait until a unit's ActiveState is as wanted.

        Raises:
            BoxError: It is not in time; the message has the unit's status and log.
        """
        try:
            self.wait_for(lambda: self.show(unit, "ActiveState") == state, timeout=timeout)
        except BoxError:
            status = self.systemctl("status", "--no-pager", "--full", unit, check=False).stdout
            raise BoxError(
                f"{self.suite}: {unit} is not {state} after {timeout:g} s\n{status}"
            ) from None

    def wait_active(self, unit: str, timeout: float = WAIT_S) -> None:
        """Wait until a unit is active."""
        self.wait_state(unit, "active", timeout)

    @contextmanager
    def units(self, files: Mapping[str, str]) -> Iterator[None]:
        """Have unit files loaded in the body; stop and remove them afterwards.

        Nothing is started. Instances of templates (``name@*.service``) are stopped as well.

        Args:
            files: File name below /etc/systemd/system (or drop-in path) → text.
        """
        self.write_all(UNITS, files)
        self.systemctl("daemon-reload")
        try:
            yield
        finally:
            names = [name.replace("@.", "@*.") for name in files if "/" not in name]
            # Sockets first: a connection would start its service again.
            services = {name for name in names if name.endswith(".service")}
            for some in (sorted(set(names) - services), sorted(services)):
                if some:
                    self.systemctl("stop", "--", *some, check=False)
            self.run("rm", "-f", "--", *(str(UNITS / name) for name in files))
            self.systemctl("reset-failed", "--", *names, check=False)
            self.systemctl("daemon-reload")


def remove_stale_cgroups() -> None:
    """Remove the empty cgroups of boxes whose test run is gone (it is in their names)."""
    for mount in keeper.cgroup_mounts("cgroup2", "cgroup"):
        for cgroup in mount.glob(f"{PREFIX}-*"):
            owner = cgroup.name.removeprefix(f"{PREFIX}-").partition("-")[0]
            if Path("/proc", owner).exists():
                continue
            for directory, _, _ in os.walk(cgroup, topdown=False):
                with suppress(OSError):
                    Path(directory).rmdir()
