"""A run as a whole: its control socket, its reloads, and when and how it ends."""

import asyncio
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from activator.errors import ActivatorError
from activator.local import own_manager
from activator.local.answers import Answers
from activator.local.control import Control
from activator.local.events import Event
from activator.local.idle import IdleExit
from activator.local.limits import EXHAUSTED, exhausted
from activator.local.reload import LiveSupervisor
from activator.local.services.output import Intake
from activator.local.services.results import SUCCESS
from activator.local.services.service import Service
from activator.local.services.states import GONE
from activator.local.signals import Signals
from activator.local.starts import Starts
from activator.local.units.models import Plan
from activator.local.watch import Watch

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
        self._idle = IdleExit(options.exit_idle, lambda: self._supervisor.idle, self._on_idle)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._opened = asyncio.Event()
        self._stopping = self._broken = False
        self._deadline = 0.0
        self._signals = Signals(
            self.stop,
            lambda: self._spawn(self._reload_all()),
            self._supervisor.family.reap,
            self._services,
        )

    async def run(self) -> int:
        """Open all, serve until the end, and return the exit status.

        Raises:
            ActivatorError: Something cannot be opened; nothing is left behind.
        """
        asyncio.get_running_loop().set_exception_handler(self._on_error)
        # Caught before the first file is made, so that it is removed again.
        self._signals.catch()
        control = self._control()
        try:
            if control is not None:
                await control.open()
            await self._supervisor.open()
            self._opened.set()
            self._show(Event("open"))
            own_manager.ready(self._supervisor.addresses)
            self._spawn(own_manager.feed())
            if self._options.now:
                self._start_all()
            if self._watch is not None:
                self._spawn(self._watch.run(self._on_change))
            self._idle.look()
            asked = await self._supervisor.run()
        finally:
            self._supervisor.end()
            for task in self._tasks:
                task.cancel()
            if control is not None:
                control.close()
            self._signals.release()
        return self._status(asked=asked)

    def stop(self) -> None:
        """End all services; called again, kill them."""
        self._supervisor.stop()
        if not self._stopping and self._options.grace:
            loop = asyncio.get_running_loop()
            self._deadline = loop.time() + self._options.grace
            loop.call_at(self._deadline, self._supervisor.stop)
        if not self._stopping:
            own_manager.stopping()
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
        own_manager.reloading()
        if await self._read_again():
            for service in self._supervisor.services.values():
                service.reload()
        own_manager.ready(self._supervisor.addresses)

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
        running = [each.unit.name for each in self._services() if each.state not in GONE]
        self._supervisor.restart_units(*running)

    # --- beginning and end -------------------------------------------------------------

    def _services(self) -> Iterator[Service]:
        """Yield the services of the plan that are loaded, without instances of templates."""
        loaded = self._supervisor.services
        return (loaded[name] for name in self._plan.services if name in loaded)

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
        if event.kind in ("started", "ended", "traffic"):
            self._idle.look_soon()

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

    def _on_idle(self) -> None:
        """End, since nothing runs any more."""
        self._show(Event("idle", text=f"nothing has run for {self._options.exit_idle:g}s"))
        self.stop()

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
