"""Pass descriptors on to a program that knows nothing of their names: ``activator exec``.

It runs before each start of a service, in the same process that becomes the program. So it
loads next to nothing: neither sockets nor libsystemd.
"""

import os
import sys

from activator.claim import all_named, claim, named
from activator.errors import ActivatorError, UsageError
from activator.passed import FIRST, VARIABLES, pidfd_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    # What a reference becomes, in an argument.
    Number = Callable[[int], int]

MANY = ","
NUMBER_MAX = 1 << 20  # more than any limit on descriptors that systemd sets


class Request:
    """What the command line asks for.

    Attributes:
        maps: Number → the descriptor's name, for ``--map``.
        passed: The names to pass on by LISTEN_FDS, in order; None if that was not said.
        variables: The program's variables, with references in them.
        argv: The program and its arguments, with references in them.
    """

    def __init__(self, words: "Sequence[str]") -> None:
        self.maps: dict[int, str] = {}
        self.passed: list[str] | None = None
        self.variables: dict[str, str] = {}
        rest = list(words)
        while rest and rest[0].startswith("-"):
            word = rest.pop(0)
            if word == "--":
                break
            option, equals, value = word.partition("=")
            take = OPTIONS.get(option)
            if take is None:
                known = ", ".join(OPTIONS)
                raise UsageError(f"no such option: {option!r}", f"there are {known} and --help")
            if not equals:
                if not rest:
                    raise UsageError("needs a value", place=option)
                value = rest.pop(0)
            try:
                take(self, value)
            except UsageError as error:
                raise error.at(option) from None
        if not rest:
            raise UsageError("no program given", "activator exec [OPTIONS] -- CMD ARG...")
        self.argv = rest

    def map(self, text: str) -> None:
        """Take ``NAME=N``."""
        name, equals, number = text.rpartition("=")
        digits = number.isascii() and number.isdecimal() and len(number) <= len(str(NUMBER_MAX))
        if not equals or not name or not digits or int(number) > NUMBER_MAX:
            raise UsageError(f"not NAME=N: {text!r}", "for example http=5")
        if int(number) in self.maps:
            raise UsageError(f"two descriptors at {number}: {self.maps[int(number)]} and {name}")
        self.maps[int(number)] = name

    def listen_fds(self, text: str) -> None:
        """Take ``NAME[:NAME...]``."""
        names = text.split(":")
        self.passed = self.passed or []
        for name in names:
            if name in self.passed:
                raise UsageError(f"{name!r} is given twice")
            self.passed.append(name)

    def env(self, text: str) -> None:
        """Take ``NAME=VALUE``."""
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"not NAME=VALUE: {text!r}")
        self.variables[name] = value


OPTIONS: "dict[str, Callable[[Request, str], None]]" = {
    "--map": Request.map,
    "--listen-fds": Request.listen_fds,
    "--env": Request.env,
}


class Plan:
    """Which descriptor goes where.

    Attributes:
        targets: Number in the program → the descriptor now.
        names: The names of those that are passed on by LISTEN_FDS; they are at 3 and up.
    """

    def __init__(self, request: Request, found: dict[int, str]) -> None:
        self._found = found
        self._mapped = {number: self._fd(name, "--map") for number, name in request.maps.items()}
        passed = self._passed(request)
        self.names = [found[fd] for fd in passed]
        self.targets: dict[int, int] = dict(enumerate(passed, FIRST))
        for number, fd in self._mapped.items():
            if number in self.targets:
                raise UsageError(
                    f"{number} is taken by {found[self.targets[number]]!r}",
                    f"--listen-fds begins at {FIRST}",
                    place="--map",
                )
            self.targets[number] = fd

    def _passed(self, request: Request) -> list[int]:
        if request.passed is not None:
            try:
                return [fd for name in request.passed for fd in all_named(self._found, name)]
            except ActivatorError as error:
                raise error.at("--listen-fds") from None
        texts = (*request.argv, *request.variables.values())
        if self._mapped or any("{fd:" in text or "{fds:" in text for text in texts):
            return []
        return list(self._found)

    def _fd(self, reference: str, place: str) -> int:
        try:
            return named(self._found, reference)
        except ActivatorError as error:
            raise error.at(place) from None

    def number(self, fd: int) -> int:
        """Return the number that a descriptor has in the program, and keep it open there."""
        for number, source in (*self._mapped.items(), *self.targets.items()):
            if source == fd:
                return number
        number = fd
        while number in self.targets or (number != fd and _is_open(number)):
            number += 1
        self.targets[number] = fd
        return number

    def expand(self, text: str) -> str:
        """Replace ``{fd:NAME}``, ``{fd:NAME:INDEX}`` and ``{fds:NAME[:SEPARATOR]}``.

        Raises:
            ActivatorError: There is no such descriptor, or more than one.
        """
        done = ""
        while True:
            before, brace, after = text.partition("{fd")
            done += before
            if not brace:
                return done
            inner, end, rest = after.partition("}")
            if not end or not inner.startswith((":", "s:")):
                done, text = done + brace, after
            elif inner.startswith(":"):
                done += str(self.number(self._fd(inner[1:], f"{{fd{inner}}}")))
                text = rest
            else:
                done += self._all(inner[2:])
                text = rest

    def _all(self, reference: str) -> str:
        name, colon, separator = reference.partition(":")
        try:
            fds = all_named(self._found, name) if name else list(self._found)
        except ActivatorError as error:
            raise error.at(f"{{fds:{reference}}}") from None
        return (separator if colon else MANY).join(str(self.number(fd)) for fd in fds)

    def carry_out(self) -> None:
        """Put every descriptor where it is to be, open for the program, and close the rest.

        Raises:
            ActivatorError: A number is out of reach.
        """
        import fcntl  # noqa: PLC0415 - not before it is needed

        for fd in self._found:
            os.set_inheritable(fd, False)
        moves = {number: fd for number, fd in self.targets.items() if number != fd}
        # First out of the way, so that none is overwritten before it has moved.
        above = max([*self.targets, *self._found]) + 1
        try:
            moves = {n: fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, above) for n, fd in moves.items()}
            for number, fd in moves.items():
                os.dup2(fd, number)
        except OSError as error:
            raise ActivatorError(
                f"cannot place descriptors at {_listed(self.targets)}: {error.strerror}",
                "choose smaller numbers, or raise LimitNOFILE=",
            ) from None
        for number in self.targets:
            os.set_inheritable(number, True)


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


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def _listed(numbers: "Mapping[int, int]") -> str:
    return ", ".join(map(str, sorted(numbers)))


def main(words: "Sequence[str]") -> int:
    """Become the program that the command line names.

    Args:
        words: The words after ``activator exec``.

    Returns:
        The exit status if that failed: 1, or 2 for wrong usage.
    """
    try:
        request = Request(words)
        plan = Plan(request, claim(os.environ))
        argv = [plan.expand(word) for word in request.argv]
        environ = environment(plan, request, os.environ)
        plan.carry_out()
        become(argv, environ)
    except ActivatorError as error:
        sys.stderr.write("".join(f"{line}\n" for line in error.lines()))
        return error.status
    return 0
