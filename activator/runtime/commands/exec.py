"""Pass descriptors on to a program that knows nothing of their names: ``activator exec``.

It runs before each start of a service, in the same process that becomes the program. So it
loads next to nothing: neither sockets nor libsystemd.
"""

import os

from activator.common.integers import decimal
from activator.errors import ActivatorError, UsageError, told
from activator.runtime.commands.exec_claim import claim
from activator.runtime.commands.exec_plan import Plan
from activator.runtime.options import Option, parse
from activator.runtime.variables import VARIABLES, pidfd_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NUMBER_MAX = 1 << 20  # more than any limit on descriptors that systemd sets


def _mapping(text: str) -> tuple[int, str]:
    """Read ``NAME=N``."""
    name, _, digits = text.rpartition("=")
    number = decimal(digits)
    if not name or number is None or number > NUMBER_MAX:
        raise UsageError(f"not NAME=N: {text!r}", "for example http=5")
    return number, name


def _variable(text: str) -> tuple[str, str]:
    """Read ``NAME=VALUE``."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"not NAME=VALUE: {text!r}")
    return name, value


OPTIONS = (
    Option(
        "map",
        "NAME=N",
        (),
        _mapping,
        text="Place this descriptor at number N. Repeatable.",
        repeats=True,
    ),
    Option(
        "listen-fds",
        "NAME[:NAME...]",
        (),
        text="Pass only these on by LISTEN_FDS, in this order from 3 up.",
        repeats=True,
    ),
    Option(
        "env", "NAME=VALUE", (), _variable, text="Set a variable of CMD. Repeatable.", repeats=True
    ),
)


class Request:
    """What the command line asks for.

    Attributes:
        maps: Number → the descriptor's name, for ``--map``.
        passed: The names to pass on by LISTEN_FDS, in order; empty if that was not said.
        variables: The program's variables, with references in them.
        argv: The program and its arguments, with references in them.
    """

    def __init__(self, words: "Sequence[str]") -> None:
        values, self.argv = parse(words, OPTIONS, up_to_program=True)
        if not self.argv:
            raise UsageError("no program given", "activator exec [OPTIONS] -- CMD ARG...")
        self.variables: dict[str, str] = dict(values["env"])
        self.maps: dict[int, str] = {}
        for number, name in values["map"]:
            if number in self.maps:
                what = f"two descriptors at {number}: {self.maps[number]} and {name}"
                raise UsageError(what, place="--map")
            self.maps[number] = name
        self.passed: list[str] = [name for text in values["listen-fds"] for name in text.split(":")]
        for name in self.passed:
            if self.passed.count(name) > 1:
                raise UsageError(f"{name!r} is given twice", place="--listen-fds")


def environment(plan: Plan, request: Request, environ: "Mapping[str, str]") -> dict[str, str]:
    """Return the program's variables: ours, with those that name descriptors put right."""
    made = {name: value for name, value in environ.items() if name not in VARIABLES}
    if "LC_CTYPE" in made and not _was_given("LC_CTYPE"):
        del made["LC_CTYPE"]  # the interpreter's own, in the C locale: PEP 538
    if plan.names:
        made["LISTEN_PID"] = str(os.getpid())
        made["LISTEN_FDS"] = str(len(plan.names))
        if "LISTEN_FDNAMES" in environ:
            made["LISTEN_FDNAMES"] = ":".join(plan.names)
        mine = pidfd_id() if environ.get("LISTEN_PIDFDID") else None
        if mine is not None:
            made["LISTEN_PIDFDID"] = str(mine)
    made.update({name: plan.expand(value) for name, value in request.variables.items()})
    return made


def become(argv: list[str], environ: "Mapping[str, str]") -> None:
    """Run a program in place of this process; it returns only by raising.

    Raises:
        ActivatorError: It cannot be run.
    """
    _restore_signals(environ)
    try:
        os.execvpe(argv[0], argv, environ)  # noqa: S606 - no shell is wanted
    except OSError as error:
        what = (error.strerror or str(error)).lower()
        raise ActivatorError(f"cannot run {argv[0]!r}: {what}") from None
    except ValueError as error:
        raise ActivatorError(f"cannot run {argv[0]!r}: {error}") from None


def _restore_signals(environ: "Mapping[str, str]") -> None:
    """Undo what the interpreter does at its start."""
    import _signal  # type: ignore[import-not-found]  # noqa: PLC0415 - signal is heavy

    _signal.signal(_signal.SIGXFSZ, _signal.SIG_DFL)
    # systemd ignores it as well, unless it is told not to (IgnoreSIGPIPE=).
    if "INVOCATION_ID" not in environ:
        _signal.signal(_signal.SIGPIPE, _signal.SIG_DFL)


def _was_given(name: str) -> bool:
    try:
        with open("/proc/self/environ", "rb") as file:  # noqa: PTH123 - pathlib costs too much
            return any(item.startswith(f"{name}=".encode()) for item in file.read().split(b"\0"))
    except OSError:
        return True


def main(words: "Sequence[str]") -> int:
    """Become the program that the command line names.

    Args:
        words: The words after ``activator exec``.

    Returns:
        The exit status if that failed: 1, or 2 for wrong usage.
    """
    try:
        request = Request(words)
        texts = (*request.argv, *request.variables.values())
        plan = Plan(claim(os.environ), request.maps, request.passed, texts)
        argv = [plan.expand(word) for word in request.argv]
        environ = environment(plan, request, os.environ)
        plan.carry_out()
        become(argv, environ)
    except ActivatorError as error:
        return told(error)
    return 0
