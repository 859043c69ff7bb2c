"""Reads what a service does while it does it, and says what it needs."""

import sys
from collections.abc import Callable
from pathlib import Path

from activator.errors import ActivatorError
from activator.generate.specfile import Spec
from activator.learn.following import Traces
from activator.learn.judge import Judge
from activator.learn.lesson import Lesson, lesson

Report = Callable[[int, int], object]


class Student:
    """Reads the traces of a service.

    Args:
        spec: The spec, or what stands for one.
        traces: The directory of the traces.
        report: Told now and then how many calls were read, and how many needs they show.
        no_programs: Directories from which the units let no program run.
    """

    def __init__(
        self, spec: Spec, traces: Path, report: Report, no_programs: tuple[str, ...] = ()
    ) -> None:
        # A unit has its interpreter and what its handlers are made of in sight, wherever they lie.
        own = (*sys.path, sys.prefix, sys.base_prefix, place(spec)) if spec.handlers else ()
        self._judge = Judge(spec, tuple(filter(None, own)), no_programs)
        self._spec = spec
        self._traces = Traces(traces)
        self._report = report

    @property
    def calls(self) -> int:
        """How many calls have been read."""
        return self._traces.calls

    def glance(self) -> None:
        """Read what has come since."""
        for call in self._traces.new():
            self._judge.see(call)
        self._report(self._traces.calls, self._judge.count)

    def lesson(self, status: int) -> Lesson:
        """Return what was learned, when all has ended.

        Args:
            status: The client's exit status.

        Raises:
            ActivatorError: Nothing was traced.
        """
        self.glance()
        if not self._traces.calls:
            raise ActivatorError("nothing was traced", "may this user trace? See: strace true")
        return lesson(self._spec, self._judge.verdict(), status)


def place(spec: Spec) -> str:
    """Return the directory of a spec's file, where its handlers are."""
    return str(Path(spec.source).resolve().parent) if spec.source else ""
