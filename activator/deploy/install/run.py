"""Do the steps of an installation, and take them back if one fails."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import time

from activator.deploy.install import undo
from activator.deploy.install.changes import Effect
from activator.deploy.install.interruption import Interrupted, Interruption
from activator.deploy.install.place import Place
from activator.deploy.install.situation import Unit
from activator.deploy.install.step import Step, Verb
from activator.errors import ActivatorError, Problems
from activator.live.unfinished import Record, Unfinished
from activator.output.atomic import remove_all, write_all

Say = Callable[[Step], None]
_WHOLE = (Verb.WRITE, Verb.REMOVE)
# What need not be a mistake of ours: OSError, where nobody reads what is said.
_EXPECTED = (ActivatorError, OSError)


class Runner:
    """Does steps on files and units.

    Args:
        where: The directory and its manager.
        units: The situation before the first step.
        say: Called with each step before it is done.
        record: Where it is written down that they are done, if it is.
        now: Whether units are started and restarted.
    """

    def __init__(
        self,
        where: Place,
        units: Iterable[Unit],
        say: Say,
        record: Record | None = None,
        *,
        now: bool = True,
    ) -> None:
        self._place = where
        self._manager = where.manager
        self._units = {str(unit.file.path): unit for unit in units}
        self._say = say
        self._record = record
        self._now = now
        self._reloads = False
        self._orders: dict[Verb, Callable[[Sequence[str]], None]] = {
            Verb.ENABLE: self._manager.enable,
            Verb.REENABLE: self._manager.reenable,
            Verb.DISABLE: self._manager.disable,
            Verb.RESET_FAILED: self._manager.reset_failed,
            Verb.START: self._manager.start,
            Verb.STOP: self._manager.stop,
            Verb.RESTART: self._manager.restart,
            Verb.TRY_RESTART: self._manager.try_restart,
            Verb.TRY_RELOAD: self._manager.try_reload,
        }

    def run(self, steps: Iterable[Step], what: Unfinished) -> None:
        """Do steps in order; if one fails or a signal comes, bring back what was there before.

        Args:
            steps: The steps.
            what: What is to be written down about them.

        Raises:
            ActivatorError: A step failed; the message says why, and whether all is as it was.
        """
        steps = list(steps)
        self._reloads = any(step.verb is Verb.RELOAD for step in steps)
        done: list[Step] = []
        with Interruption() as interruption:
            try:
                if self._record:
                    self._record.write(what)
                for step in steps:
                    self._say(step)
                    done.append(step)
                    self._do(step)
                interruption.over = True
            except BaseException as error:
                interruption.over = True
                interruption.ignore()
                if isinstance(error, ActivatorError) and done and done[-1].verb in _WHOLE:
                    done.pop()  # it did nothing at all
                problem = self._back(done, _said(error))
                if isinstance(error, Exception) and not isinstance(error, _EXPECTED):
                    raise  # a mistake of ours
                raise problem from None

    def _do(self, step: Step) -> None:
        """Do one step.

        Raises:
            ActivatorError: It failed; the message says why.
        """
        since = time()
        if step.verb is Verb.WRITE:
            self._write(Path(step.names[0]), back=step.back)
        elif step.verb is Verb.REMOVE:
            path = Path(step.names[0])
            remove_all(path.parent, [path.name])
        elif step.verb is Verb.RELOAD:
            self._manager.daemon_reload()
            if not step.back:
                self._loaded(since)
        else:
            again = step.verb in (Verb.RESTART, Verb.TRY_RESTART)
            before = self._manager.show(step.names) if again else []
            try:
                self._orders[step.verb](step.names)
            except ActivatorError as error:
                runs = {state.name: state.invocation for state in before}
                raise self._explained(step, error, since, runs) from None

    def _write(self, path: Path, *, back: bool) -> None:
        """Write a unit's new text, or the one of before."""
        unit = self._units[str(path)]
        text = unit.file.before if back else unit.file.after
        # A file is newer than the start of its unit only as long as the unit is to be
        # started anew for it: see Unit.outdated.
        spared = (
            unit.effect is Effect.NONE
            if not self._now or not unit.socket
            else unit.effect <= Effect.SERVICE
        )
        keep = unit.state.up and (back or (spared and self._reloads))
        times = {path.name: unit.file.modified} if keep else {}
        write_all(path.parent, {path.name: text or ""}, sync=True, times=times)

    def _loaded(self, since: float) -> None:
        """Raise if the manager does not run by the files that were written.

        Raises:
            ActivatorError: It refuses one, or another file is in its way.
        """
        units = {
            unit.name: unit
            for unit in self._units.values()
            if unit.file.after is not None and not unit.template
        }
        for name, state in zip(units, self._manager.show(list(units)), strict=True):
            if state.load != "loaded":
                raise ActivatorError(self._manager.reason(name, since), "change the spec")
            made = units[name].container and "/generator/" in state.path
            if state.path and not made and not _same(Path(state.path), units[name].file.path):
                message = f"systemd takes {name} from {state.path} instead"
                raise ActivatorError(message, "remove that file, or choose another name")

    def _explained(
        self, step: Step, error: ActivatorError, since: float, runs: Mapping[str, str]
    ) -> ActivatorError:
        """Return an error with the reason why units did not come up, where one is known.

        Args:
            step: The step.
            error: What it failed with.
            since: When it began, in seconds since the epoch.
            runs: The invocations of before, whose words are no reason.
        """
        if step.verb not in (Verb.START, Verb.RESTART, Verb.TRY_RESTART):
            return error
        states = self._manager.show(step.names)
        # A service that failed may be on its way up again, by Restart=.
        for name in (state.name for state in states if state.active != "active"):
            if reason := self._manager.reason(name, since, besides=runs.get(name, "")):
                return ActivatorError(reason)
        return error

    def _back(self, done: list[Step], error: ActivatorError) -> ActivatorError:
        """Take steps back, and return the error with what came of that."""
        problems = []
        if self._record:
            self._record.take_back()
        for step in undo.steps(list(self._units.values()), done, live=self._place.live):
            with suppress(OSError):
                self._say(step)
            try:
                self._do(step)
            except ActivatorError as problem:
                problems.append(ActivatorError(f"roll back: {problem.message}", problem.hint))
        if problems:
            if self._record:
                self._record.kept = True
            return Problems([error, *problems])
        if not error.hint:
            error.hint = "everything is as it was before"
        return error


def _said(error: BaseException) -> ActivatorError:
    """Return what an installation ends with, in words."""
    if isinstance(error, ActivatorError):
        return error
    if isinstance(error, OSError):
        return ActivatorError(f"cannot tell what is done: {error.strerror}")
    return ActivatorError(error.message if isinstance(error, Interrupted) else "interrupted")


def _same(one: Path, other: Path) -> bool:
    """Tell whether two paths are the same file."""
    try:
        return one.samefile(other)
    except OSError:
        return False
