"""Learn what a service needs, by running it once under strace(1) while a client uses it.

May import: local, generate, common. How the files build on each other: trace (lines of strace as
calls), following (the traces of all processes as they come), judge (calls as needs, by the table
calls.tsv), writing (needs into a spec), directories (of a service's data), and here a run of the
local activator.
"""

import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from activator.errors import ActivatorError
from activator.generate.render import render
from activator.generate.specfile import Spec
from activator.learn import trace
from activator.learn.following import Traces
from activator.learn.judge import Evidence, Judge
from activator.local.activated import ActivationError, Run, own_environment
from activator.unitfile.unquoting import split_command

__all__ = ["Evidence", "Lesson", "learn"]

# Calls that tell something; the others run at full speed.
_TRACED = (
    "%file,%network,%ipc,execve,execveat,mmap,mprotect,pkey_mprotect,memfd_create,"
    + ",".join(trace.CALLS)
)
# How often the traces are read, and is looked whether the service stays up, in seconds, and how
# many starts are no accident.
_GLANCE_S, _STARTS = 0.5, 2
# The user of a hardened unit, which systemd makes up, and one that it is given.
_DYNAMIC = re.compile(r"^DynamicUser=yes$", re.MULTILINE)
_USER = re.compile(r"^User=(.+)$", re.MULTILINE)
# The program of a service; the proxy before one is systemd's own.
_COMMAND = re.compile(
    r"^(ExecStart=[-:+!]*)(?=[^\s:+!@-])(?!\S*/systemd-socket-proxyd\b)", re.MULTILINE
)


class Lesson(NamedTuple):
    """What was learned.

    Attributes:
        needs: The needs that were seen, in the table's order.
        missing: Those that the spec does not name.
        unused: What the spec names and nobody used.
        impossible: What no need can open.
        evidence: What shows each.
        client: The exit status of the client; 0 without one.
        as_root: Whether the service ran as root, though its unit has a user of its own: what it
            is made of is not for everybody to read.
    """

    needs: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]
    impossible: tuple[Evidence, ...]
    evidence: tuple[Evidence, ...]
    client: int
    as_root: bool

    def without(self, spare: Sequence[str]) -> "Lesson":
        """Return the same but for needs that turned out to be none."""
        return self._replace(
            needs=tuple(need for need in self.needs if need not in spare),
            missing=tuple(need for need in self.missing if need not in spare),
        )


Report = Callable[[int, int], object]
Streams = tuple[int | None, int | None]


def learn(
    spec: Spec,
    client: Sequence[str] = (),
    report: Report = max,
    streams: Streams = (None, None),
) -> Lesson:
    """Run a spec's service on the local activator, outside its sandbox, and return its needs.

    Args:
        spec: The spec; its handlers are looked for where its file is.
        client: What uses the service; without it, the run lasts until SIGINT.
        report: Told now and then how many calls were read, and how many needs they show.
        streams: What the client gets as standard input and output, descriptors or DEVNULL of
            subprocess; None for our own. They stay the caller's.

    Raises:
        ActivatorError: There is no strace, or the service was not started or could not be traced.
    """
    strace = shutil.which("strace")
    if strace is None:
        raise ActivatorError("there is no strace", "install it: apt install strace")
    with tempfile.TemporaryDirectory(prefix="activator-learn-") as name:
        base = Path(name)
        # The service may run as another user.
        base.chmod(0o711)
        traces = base / "traces"
        traces.mkdir(0o700)
        options = f"-D -ff -q -y -s 256 -o {traces}/t -e trace={_TRACED}"
        units = render(spec)
        as_root = os.geteuid() == 0 and any(map(_DYNAMIC.search, units.values()))
        if as_root and _readable(spec):
            # Root's programs give up rights, and may do what the unit's own user may not.
            units = {name: _DYNAMIC.sub("User=nobody", text) for name, text in units.items()}
            as_root = False
        for user in _USER.findall("\n".join(units.values())) if os.geteuid() == 0 else ():
            with suppress(LookupError):  # nobody of that name: the run says so
                os.chown(traces, _number(user), -1)
        prefix = f"{strace} {options.replace('%', '%%')} -- "
        for file, text in units.items():
            (base / file).write_text(_COMMAND.sub(lambda match: match[1] + prefix, text))
        student = _Student(spec, traces, report)
        sockets = [str(base / file) for file in units if file.endswith(".socket")]
        try:
            status = _used(spec, sockets, client, student.glance, streams)
        except ActivationError as error:
            # The units are nobody's to change.
            reason = str(error).replace(f"{base}/", f"{spec.source}: ")
            raise ActivatorError(f"nothing listens: {reason}") from None
        return student.lesson(status, as_root=as_root)


class _Student:
    """Reads what the service does, and says what it needs."""

    def __init__(self, spec: Spec, traces: Path, report: Report) -> None:
        # A unit has its interpreter and what its handlers are made of in sight, wherever they lie.
        own = (*sys.path, sys.prefix, sys.base_prefix, _place(spec)) if spec.handlers else ()
        self._judge = Judge(spec, tuple(filter(None, own)))
        self._spec = spec
        self._traces = Traces(traces)
        self._report = report

    def glance(self) -> None:
        """Read what has come since."""
        for call in self._traces.new():
            self._judge.see(call)
        self._report(self._traces.calls, self._judge.count)

    def lesson(self, status: int, *, as_root: bool) -> Lesson:
        """Return what was learned, when all has ended.

        Args:
            status: The client's exit status.
            as_root: See :class:`Lesson`.
        """
        self.glance()
        if not self._traces.calls:
            raise ActivatorError("nothing was traced", "may this user trace? See: strace true")
        found = self._judge.verdict()
        needs = tuple(dict.fromkeys(one.need for one in found if one.need))
        named = self._spec.needs
        # What is named more widely covers what was seen.
        closed = self._spec.hardening != "none"
        missing = tuple(need for need in needs if closed and not _words(need) & {*named})
        seen = {word for need in needs for word in _words(need)}
        unused = tuple(need for need in named if not _words(need) & seen)
        impossible = tuple(one for one in found if not one.need)
        evidence = tuple(one for one in found if one.need)
        return Lesson(needs, missing, unused, impossible, evidence, status, as_root)


def _words(need: str) -> set[str]:
    """Return a need and its name."""
    return {need, need.partition(":")[0]}


def _number(user: str) -> int:
    return int(user) if user.isdecimal() else pwd.getpwnam(user).pw_uid


def _readable(spec: Spec) -> bool:
    """Tell whether any user can run a service, and reach what its command names."""
    commands = split_command(spec.command) if spec.command else []
    words = [word for each in commands for word in (each.path, *each.argv)]
    if spec.handlers:
        words += [spec.python or sys.executable, sys.prefix, spec.app_dir or _place(spec)]
    paths = [Path(word) for word in words if word.startswith("/")]
    above = {parent for path in paths if path.exists() for parent in path.resolve().parents}
    return all(path.stat().st_mode & stat.S_IXOTH for path in above)


def _used(
    spec: Spec,
    sockets: Sequence[str],
    client: Sequence[str],
    glance: Callable[[], None],
    streams: Streams,
) -> int:
    """Run the units while a client uses them; return the client's exit status."""
    environment = own_environment()
    where = _place(spec)
    # Where `activator serve` looks for the handler; a program finds its modules by itself.
    modules = ["--env", f"PYTHONPATH={where}{os.pathsep}{environment['PYTHONPATH']}"]
    # However it is ended, nothing is left.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    run = Run([*(modules if spec.handlers else []), *sockets], environment, "/")
    try:
        run.wait_for("listening")
        if client:
            status = _wait(run, client, environment, glance, streams)
        else:
            status = _interrupted(glance)
    except ActivationError:
        reason = (run.errors.strip().split("\n") or [""])[-1]
        raise ActivationError(reason or "no reason was told") from None
    finally:
        run.stop()
        signal.signal(signal.SIGTERM, before)
    # Only now all is told: a service may answer sooner than it is told of.
    if not run.pids:
        raise ActivatorError("no client came, and the service was not started")
    return status


def _place(spec: Spec) -> str:
    """Return the directory of a spec's file, where its handlers are."""
    return str(Path(spec.source).resolve().parent) if spec.source else ""


def _interrupted(glance: Callable[[], None]) -> int:
    """Return 0 when SIGINT has come."""
    asked: list[int] = []
    old = signal.signal(signal.SIGINT, lambda number, _: asked.append(number))
    try:
        while not asked:
            time.sleep(_GLANCE_S)  # which goes on after a signal, and is short
            glance()
    finally:
        signal.signal(signal.SIGINT, old)
    return 0


def _wait(
    run: Run,
    client: Sequence[str],
    environment: Mapping[str, str],
    glance: Callable[[], None],
    streams: Streams,
) -> int:
    """Return the client's exit status; end it if the service does not stay up for it."""
    try:
        process = subprocess.Popen(
            list(client), env=environment, stdin=streams[0], stdout=streams[1]
        )
    except OSError as error:
        raise ActivatorError(f"{client[0]}: {error.strerror}") from None
    try:
        while True:
            with suppress(subprocess.TimeoutExpired):
                return process.wait(_GLANCE_S)
            glance()
            starts = len(run.pids)  # which reads what has happened
            ends = [one for one in run.events if one["kind"] == "ended"][-_STARTS - 1 :]
            if starts > _STARTS < len(ends) and all(one.get("status") for one in ends):
                said = next(reversed(run.logs), "it said nothing")
                raise ActivatorError(f"the service ends at each start: {said}")
    finally:
        process.kill()
        process.wait()
