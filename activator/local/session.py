"""A run as a whole: its signals, its control socket, its reloads, and when and how it ends.

===================  ======================================================================
SIGTERM, SIGINT,     all services end; once more: what is left is killed
SIGQUIT
SIGHUP               the units are read again; services that can reload do so. If the terminal
                     has gone, the same as SIGTERM
SIGUSR1, SIGUSR2,    go on to the main processes of the services, but not to those of single
SIGWINCH             connections
===================  ======================================================================

As a Type=notify service it tells its own manager when all sockets are open, what it is about, and
that it is alive (sd_notify(3), sd_watchdog_enabled(3)). As process 1 of a container, whatever loses
its parent is waited for when it ends.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from activator import notify
from activator.common.integers import decimal
from activator.errors import ActivatorError
from activator.local.answers import Answers
from activator.local.control import Control
from activator.local.events import Event
from activator.local.limits import EXHAUSTED, exhausted
from activator.local.reload import LiveSupervisor
from activator.local.services.output import Intake
from activator.local.services.results import SUCCESS
from activator.local.services.states import GONE
from activator.local.starts import Starts
from activator.local.units.models import Plan
from activator.local.watch import Watch

_STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
_FORWARDED = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH)
_SHOWN = 3  # addresses in STATUS=
_SIGNALLED = 128  # what a shell adds to the number of the signal that ended a process


@dataclass(frozen=True)
class Options:
    """How a run is to be.

    Attributes:
        control: The path of the control socket, empty for none.
        grace: Seconds from the first request to end until what is left is killed; 0 for as
            long as the units say.
        exit_idle: Seconds without any process after which the run ends; 0 for never.
        now: Whether the services start at once.
        follow: Whether the run ends with the first service that does, and with its status.
        demand: Whether it ends with the first service that fails at its start.
        watch: Gives the files and directories of a plan whose changes restart what runs; None
            for none.
    """

    control: str = ""
    grace: float = 0.0
    exit_idle: float = 0.0
    now: bool = False
    follow: bool = False
    demand: bool = False
    watch: Callable[[Plan], list[str]] | None = None


class Session:
    """A run from its beginning to its end.

    Args:
        plan: What is run first.
        make: Makes the supervisor of a plan, with what gets its events.
        load: Reads the units again.
        show: Gets the events, too.
        options: How it is to be.
    """

    def __init__(
        self,
        plan: Plan,
        make: Callable[[Plan, Callable[[Event], None]], LiveSupervisor],
        load: Callable[[], Plan],
        show: Callable[[Event], None],
        options: Options,
    ) -> None:
        self._plan = plan
        self._load = load
        self._show = show
        self._options = options
        # First: it is refused where watchfiles is not installed, before anything is made.
        self._watch = Watch(options.watch(plan)) if options.watch is not None else None
        self._supervisor = make(plan, self._on_event)
        self._supervisor.stays = bool(options.control or options.watch)
        self._statuses: dict[str, int] = {}
        self._starts = Starts(self._supervisor)
        self._held: set[str] = set()
        self._idle: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._opened = asyncio.Event()
        self._stopping = self._broken = False
        self._deadline = 0.0
        self._terminal = _has_terminal()

    async def run(self) -> int:
        """Open all, serve until the end, and return the exit status.

        Raises:
            ActivatorError: Something cannot be opened; nothing is left behind.
        """
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._on_error)
        # Caught before the first file is made, so that it is removed again.
        for number, act in self._signals().items():
            loop.add_signal_handler(number, act)
        control = self._control()
        try:
            if control is not None:
                await control.open()
            await self._supervisor.open()
            self._opened.set()
            self._show(Event("open"))
            self._tell_ready()
            if span := _watchdog_span():
                self._spawn(_feed(span))
            if self._options.now:
                self._start_all()
            if self._watch is not None:
                self._spawn(self._watch.run(self._on_change))
            self._look()
            asked = await self._supervisor.run()
        finally:
            self._supervisor.end()
            for task in self._tasks:
                task.cancel()
            if control is not None:
                control.close()
            for number in self._signals():
                loop.remove_signal_handler(number)
        return self._status(asked=asked)

    def stop(self) -> None:
        """End all services; called again, kill them."""
        self._supervisor.stop()
        if not self._stopping and self._options.grace:
            loop = asyncio.get_running_loop()
            self._deadline = loop.time() + self._options.grace
            loop.call_at(self._deadline, self._supervisor.stop)
        if not self._stopping:
            notify.stopping("stopping")
        self._stopping = True

    def end(self) -> None:
        """End all services, unless they have been told to."""
        if not self._stopping:
            self.stop()

    @property
    def intake(self) -> Intake:
        """Return what reads the services' output."""
        return self._supervisor.intake

    @property
    def grace_left(self) -> float:
        """Return the seconds that are left to end in, at least one; 0 for no limit."""
        if not self._options.grace:
            return 0.0
        return max(1.0, self._deadline - asyncio.get_running_loop().time())

    # --- signals -----------------------------------------------------------------------

    def _signals(self) -> dict[int, Callable[[], object]]:
        """Return what each signal does."""
        acts: dict[int, Callable[[], object]] = dict.fromkeys(_STOP, self.stop)
        acts[signal.SIGHUP] = self._on_hangup
        for number in _FORWARDED:
            acts[number] = lambda number=number: self._forward(number)  # type: ignore[misc]
        if os.getpid() == 1:
            acts[signal.SIGCHLD] = self._reap
        return acts

    def _on_hangup(self) -> None:
        """Read the units again, or end if it was the terminal that hung up."""
        if self._terminal and not _has_terminal():
            self.stop()
        else:
            self._spawn(self._reload_all())

    def _forward(self, number: int) -> None:
        """Send a signal to all services' main processes."""
        for name in self._plan.services:
            service = self._supervisor.services.get(name)
            if service is not None and service.processes.main is not None:
                service.processes.main.signal(number)

    def _reap(self) -> None:
        """Wait for whatever has ended and was left to us."""
        self._supervisor.family.reap()

    # --- reloading ---------------------------------------------------------------------

    async def reload(self) -> list[str]:
        """Read the units again, and take up what has changed.

        Returns:
            What has changed.

        Raises:
            ActivatorError: They cannot be taken up; all stays as it is.
        """
        try:
            plan = self._load()
        except OSError as error:
            hint = "see whether the current directory is still there"
            what = f"cannot read the units: {error.strerror or error}"
            raise ActivatorError(what, hint) from None
        told = await self._supervisor.reload(plan)
        self._plan = plan
        if self._watch is not None and self._options.watch is not None:
            self._watch.follow(self._options.watch(plan))
        return told

    async def _reload_all(self) -> None:
        """Read the units again and let services reload; tell what comes of it."""
        notify.reloading()
        if await self._read_again():
            for service in self._supervisor.services.values():
                service.reload()
        self._tell_ready()

    async def _read_again(self) -> bool:
        """Read the units again; tell what comes of it, and return whether that went well."""
        try:
            told = await self.reload()
        except ActivatorError as error:
            for line in error.lines():
                self._show(Event("failed", text=f"not reloaded: {line}"))
            return False
        self._show(Event("reloaded", text=", ".join(told) or "no unit has changed"))
        return True

    async def _on_change(self, paths: list[str]) -> None:
        """Take up changed files: units first, then whatever runs starts again."""
        self._show(Event("changed", text=", ".join(paths)))
        for each in self._supervisor.services.values():
            each.forgive()  # what has failed so far was other code
        await self._read_again()
        self._supervisor.let_go()
        running = []
        for name in self._plan.services:
            service = self._supervisor.services.get(name)
            if service is not None and service.state not in GONE:
                running.append(name)
        self._supervisor.restart_units(*running)

    # --- beginning and end -------------------------------------------------------------

    def _tell_ready(self) -> None:
        """Tell our own manager, if there is one, that all sockets are open."""
        addresses = [each.human() for each in self._supervisor.addresses]
        more = f" and {len(addresses) - _SHOWN} more" if len(addresses) > _SHOWN else ""
        notify.ready(f"listening on {', '.join(addresses[:_SHOWN])}{more}")

    def _start_all(self) -> None:
        """Start all services that sockets would start."""
        names = dict.fromkeys(unit.service for unit in self._plan.sockets if not unit.accept)
        self._supervisor.start_units(*names)

    def _on_event(self, event: Event) -> None:
        """Take note of what concerns the end, and pass all on."""
        if event.kind == "started":
            self._held.discard(event.unit)
        if event.kind != "restarting" or event.unit not in self._held:
            self._show(event)
        self._starts.take(event)
        if event.kind == "ended":
            self._note_end(event)
        if event.unit in self._plan.services and not self._stopping:
            if self._options.demand:
                asyncio.get_running_loop().call_soon(self._end_failed, event)
            elif self._watch is not None and self._starts.broken(event):
                self._hold_broken(event.unit)
        if self._options.exit_idle and event.kind in ("started", "ended", "traffic"):
            asyncio.get_running_loop().call_soon(self._look)

    def _note_end(self, event: Event) -> None:
        """Remember how a service has ended; end with it if that is asked for."""
        service = self._supervisor.services.get(event.unit)
        if service is None or event.unit not in self._plan.services:
            return
        number = event.status or 0
        good = service.result == SUCCESS
        self._statuses[event.unit] = (
            0 if good else number if number > 0 else _SIGNALLED - number if number < 0 else 1
        )
        if self._options.follow and service.state in GONE and not self._stopping:
            self.stop()

    def _hold_broken(self, name: str) -> None:
        """Start what has failed at its start once its files have changed, and no sooner."""
        self._held.add(name)
        text = "failed at its start: it waits for the next change of its files"
        loop = asyncio.get_running_loop()
        loop.call_soon(self._supervisor.hold, name)
        loop.call_soon(self._show, Event("note", name, text))

    def _end_failed(self, event: Event) -> None:
        """End with a service that has failed at its start, and turn those away who wait for it."""
        if not self._stopping and self._starts.failed(event):
            self._show(Event("broken", event.unit, "failed at its start: all ends with it"))
            self._statuses.setdefault(event.unit, 1)
            self._broken = True
            self.stop()

    def _status(self, *, asked: bool) -> int:
        """Return the exit status: that of the first service whose last process has failed."""
        if self._options.follow or self._broken or os.getpid() == 1:
            failed = [self._statuses.get(name, 0) for name in self._plan.services]
            if first := next(filter(None, failed), 0):
                return first
        return 0 if asked else 1

    def _look(self) -> None:
        """Begin, go on or cease to count the time without any process."""
        limit = self._options.exit_idle
        if not limit:
            return
        if not self._supervisor.idle:
            if self._idle is not None:
                self._idle.cancel()
                self._idle = None
        elif self._idle is None:
            self._idle = asyncio.get_running_loop().call_later(limit, self._on_idle)

    def _on_idle(self) -> None:
        """End, unless something runs after all."""
        self._idle = None
        if self._supervisor.idle:
            self._show(Event("idle", text=f"nothing has run for {self._options.exit_idle:g}s"))
            self.stop()
        else:
            self._look()

    def _on_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Say in a line what can happen at any moment; anything else is a bug, and shown as one."""
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno in EXHAUSTED:
            self._show(Event("note", text=str(exhausted(error))))
        else:
            loop.default_exception_handler(context)

    def _control(self) -> Control | None:
        """Make the control socket, if there is to be one."""
        if not self._options.control:
            return None
        answers = Answers(self._supervisor, self.reload)

        async def answer(verb: str, names: list[str]) -> Any:
            await self._opened.wait()
            return await answers(verb, names)

        return Control(self._options.control, answer)

    def _spawn(self, work: Any) -> None:
        """Do something beside the rest; what fails in it ends the run."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        """Forget what is done; tell of an error, which is a bug or concerns the watching."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._show(Event("failed", text=str(error)))


def _has_terminal() -> bool:
    """Tell whether we have a controlling terminal that is still there."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _watchdog_span() -> float:
    """Return the seconds within which our own manager wants to hear of us, 0 for none."""
    pid = os.environ.get("WATCHDOG_PID", "")
    if pid and decimal(pid) != os.getpid():
        return 0.0
    return (decimal(os.environ.get("WATCHDOG_USEC", "")) or 0) / 1e6


async def _feed(span: float) -> None:
    """Tell our own manager twice within a time that the loop turns."""
    while True:
        notify.watchdog()
        await asyncio.sleep(span / 2)
