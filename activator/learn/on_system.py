"""Learn from services that systemd runs: for as long, each has a drop-in that has it traced.

Its sandbox is off and strace stands before its commands; the sockets stay open. However it ends,
but by SIGKILL, the drop-ins go and the services are restarted without them.
"""

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from activator.errors import ActivatorError
from activator.generate.render import units as units_of
from activator.generate.specfile import Spec
from activator.learn import system_drop_in, tracer
from activator.learn.client import Use, wait
from activator.learn.lesson import Lesson
from activator.learn.sandbox import no_programs, with_lines
from activator.learn.service import Service, service
from activator.learn.stand_in import stand_in
from activator.learn.student import Report, Student
from activator.learn.system_units import Traced
from activator.live.manager import Manager
from activator.live.units import Situation, Socket
from activator.local.activated import own_environment
from activator.local.units.files import Units

_INSTEAD = "without --on-system, it runs on the local activator"
# How often systemd is asked whether the services stay up: seconds.
_ASK_S = 2.0


def learn(target: Spec | Sequence[str], use: Use, report: Report = max) -> Lesson:
    """Have services of systemd's run traced and outside their sandbox, and return their needs.

    Args:
        target: A spec that is installed, or the names of units that systemd has.
        use: Who uses the services.
        report: Told now and then how many calls were read, and how many needs they show.

    Raises:
        ActivatorError: There is no strace, this is not root, or systemd has no such service;
            or it does not start, or was not used.
        KeyboardInterrupt: SIGINT, SIGTERM or SIGHUP came, where the caller has them raise it.
    """
    tracer.program()
    if os.geteuid() != 0:
        raise ActivatorError("--on-system changes units of the system", "run it as root")
    manager = Manager(instead=_INSTEAD)
    sockets = Situation(manager, _names(target)).sockets
    services = list(_services(sockets))
    behind = {unit.name for socket in sockets for unit in socket.backends}
    with system_drop_in.place() as place:
        texts = {
            each.name: system_drop_in.text_of(each, place, is_behind=each.name in behind)
            for each in services
        }
        student = _student(target, sockets, services, place.traces, report)
        traced = Traced(manager, [socket.name for socket in sockets], _restarted(sockets), texts)
        with traced:
            status = wait(use, own_environment(), _Look(student, traced))
        student.glance()
        if not student.calls:
            what = f"nothing was traced: no client came, or {services[0].name} did not start"
            raise ActivatorError(what, f"see: journalctl -u {services[0].name}")
        lesson = student.lesson(status)
        return lesson if isinstance(target, Spec) else with_lines(lesson, services)


def _student(
    target: Spec | Sequence[str],
    sockets: Sequence[Socket],
    services: Sequence[Service],
    traces: Path,
    report: Report,
) -> Student:
    """Return who reads the traces, and judges them by the spec, or by what stands for one."""
    if isinstance(target, Spec):
        return Student(target, traces, report)
    names = [socket.name for socket in sockets]
    addresses = [listen.address for socket in sockets for listen in socket.listens]
    return Student(stand_in(names, services, addresses), traces, report, no_programs(services))


class _Look:
    """Looks at the traces, and now and then whether the services stay up."""

    def __init__(self, student: Student, traced: Traced) -> None:
        self._student = student
        self._traced = traced
        self._asked = time.monotonic()

    def __call__(self) -> None:
        self._student.glance()
        if time.monotonic() - self._asked > _ASK_S:
            self._asked = time.monotonic()
            self._traced.check()


def _names(target: Spec | Sequence[str]) -> Sequence[str]:
    """Return the names of the sockets that are meant."""
    if isinstance(target, Spec):
        return [unit.name for unit in units_of(target) if unit.name.endswith(".socket")]
    return target


def _services(sockets: Sequence[Socket]) -> Iterator[Service]:
    """Yield the services that are traced, those behind a proxy in place of that.

    Raises:
        ActivatorError: One has no file, or there is none.
    """
    units = Units({})
    units.add_system()
    names = [socket.service_name for socket in sockets]
    names += [unit.name for socket in sockets for unit in socket.backends]
    found = [service(name, units) for name in dict.fromkeys(names)]
    traced = [each for each in found if each.commands]
    if not traced:
        raise ActivatorError(f"{names[0]} runs nothing that can be traced", "name another unit")
    yield from traced


def _restarted(sockets: Sequence[Socket]) -> list[str]:
    """Return the services that are restarted: those of Accept=no, and what is behind a proxy."""
    names = [socket.service_name for socket in sockets if not socket.accepts]
    return [*dict.fromkeys((*names, *(unit.name for each in sockets for unit in each.backends)))]
