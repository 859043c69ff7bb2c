"""Run services on the local activator, outside their sandbox, while a client uses them."""

import os
import pwd
import signal
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from activator.common.worker_end import last_word
from activator.errors import ActivatorError
from activator.learn import tracer
from activator.learn.client import Use, wait
from activator.learn.drop_in import drop_in
from activator.learn.lesson import Lesson
from activator.learn.sandbox import no_programs, with_lines
from activator.learn.student import Report, Student, place
from activator.learn.subject import Subject
from activator.local.activated import ActivationError, Run, own_environment

# How many starts are no accident.
_STARTS = 2
_AS_NOBODY = ("DynamicUser=no", "User=nobody")
# Behind those of a unit, which are numbered.
_DROP_IN = "zzz-activator-learn.conf"


def learn(subject: Subject, use: Use, report: Report = max) -> Lesson:
    """Run a service on the local activator, outside its sandbox, and return its needs.

    Args:
        subject: What is learned from; the handlers of a spec are looked for where its file is.
        use: Who uses it.
        report: Told now and then how many calls were read, and how many needs they show.

    Raises:
        ActivatorError: There is no strace, or the service was not started or could not be traced.
    """
    tracer.program()
    with tempfile.TemporaryDirectory(prefix="activator-learn-") as name:
        base = Path(name)
        # The service may run as another user.
        base.chmod(0o711)
        traces = base / "traces"
        traces.mkdir(0o700)
        is_root = os.geteuid() == 0
        is_dynamic = is_root and any(each.is_dynamic for each in subject.services)
        # Root's programs give up rights, and may do what the unit's own user may not.
        as_nobody = is_dynamic and _is_readable(subject)
        users = [each.user for each in subject.services if each.user]
        for user in (["nobody"] if as_nobody else users) if is_root else ():
            with suppress(LookupError):  # nobody of that name: the run says so
                os.chown(traces, _number(user), -1)
        places = _written(subject, base, tracer.words(str(traces)), as_nobody=as_nobody)
        shut = () if subject.is_spec else no_programs(subject.services)
        student = Student(subject.spec, traces, report, shut)
        try:
            status = _used(subject, base, use, student.glance)
        except ActivationError as error:
            # The copies are nobody's to change.
            reason = str(error)
            for copy, original in places.items():
                reason = reason.replace(copy, original)
            raise ActivatorError(f"nothing listens: {reason}") from None
        lesson = student.lesson(status)._replace(as_root=is_dynamic and not as_nobody)
        return lesson if subject.is_spec else with_lines(lesson, subject.services)


def _written(subject: Subject, base: Path, before: str, *, as_nobody: bool) -> dict[str, str]:
    """Write copies of the units, whose services are traced; return what each is a copy of."""
    places = {}
    for name, files in subject.files.items():
        for number, file in enumerate(files):
            path = base / f"{name}.d/{number:04}.conf" if number else base / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(file.dump().encode(errors="surrogateescape"))
            places[str(path)] = file.name
    for service in subject.services:
        more = _AS_NOBODY if as_nobody and service.is_dynamic else ()
        if text := drop_in(service, before, more):
            path = base / f"{service.name}.d" / _DROP_IN
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(text.encode(errors="surrogateescape"))
    # Those of drop-ins begin as that of their unit does.
    return dict(sorted(places.items(), reverse=True))


def _number(user: str) -> int:
    return int(user) if user.isdecimal() else pwd.getpwnam(user).pw_uid


def _is_readable(subject: Subject) -> bool:
    """Tell whether any user can run the services, and reach what their commands name."""
    spec = subject.spec
    programs = [command for each in subject.services for command in each.programs]
    words = [word for each in programs for word in (each.path, *each.argv)]
    if spec.handlers:
        words += [spec.python or sys.executable, sys.prefix, spec.app_dir or place(spec)]
    paths = [Path(word) for word in words if word.startswith("/")]
    above = {parent for path in paths if path.exists() for parent in path.resolve().parents}
    return all(path.stat().st_mode & stat.S_IXOTH for path in above)


def _used(subject: Subject, base: Path, use: Use, glance: Callable[[], None]) -> int:
    """Run the units while a client uses them; return the client's exit status."""
    environment = own_environment()
    # However it is ended, nothing is left.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sockets = [str(base / name) for name in subject.sockets]
    run = Run([*_modules(subject, environment), *sockets], environment, "/")

    def look() -> None:
        glance()
        _stays_up(run)

    try:
        run.wait_for("listening")
        status = wait(use, environment, look)
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


def _modules(subject: Subject, environment: Mapping[str, str]) -> Sequence[str]:
    """Return the options by which `activator serve` finds handlers; a program needs none."""
    if not subject.spec.handlers:
        return ()
    path = f"{place(subject.spec)}{os.pathsep}{environment['PYTHONPATH']}"
    return ("--env", f"PYTHONPATH={path}")


def _stays_up(run: Run) -> None:
    """Raise if a service ends at each start: nobody would answer the client."""
    starts = len(run.pids)  # which reads what has happened
    ends = [*_ends(run)][-_STARTS - 1 :]
    if starts > _STARTS < len(ends) and all(ends):
        said = last_word(run.logs) or "it said nothing"
        raise ActivatorError(f"the service ends at each start: {said}")


def _ends(run: Run) -> Iterator[int]:
    return (one.get("status", 0) for one in run.events if one["kind"] == "ended")
