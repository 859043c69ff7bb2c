"""Which passed descriptor a program is to have at which number, by the references to its name.

Import-light, as :mod:`activator.runtime.variables`.
"""

import os

from activator.common.integers import decimal
from activator.errors import ActivatorError, UsageError
from activator.runtime.variables import FIRST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MANY = ","


class Plan:
    """Which descriptor goes where.

    Attributes:
        targets: Number in the program → the descriptor now.
        names: The names of those that are passed on by LISTEN_FDS; they are at 3 and up.

    Args:
        found: The passed descriptors and their names.
        maps: Number → the descriptor's name, for ``--map``.
        wanted: The names to pass on by LISTEN_FDS, in order; empty if that was not said.
        texts: What may hold references: arguments, values of variables.

    Raises:
        ActivatorError: There is no such descriptor, or more than one.
        UsageError: Two are to have the same number.
    """

    def __init__(
        self,
        found: dict[int, str],
        maps: "Mapping[int, str]",
        wanted: "Sequence[str]",
        texts: "Sequence[str]",
    ) -> None:
        self._found = found
        self._mapped = {number: self._fd(name, "--map") for number, name in maps.items()}
        passed = self._passed(wanted, texts)
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

    def _passed(self, wanted: "Sequence[str]", texts: "Sequence[str]") -> list[int]:
        if wanted:
            try:
                return [fd for name in wanted for fd in all_named(self._found, name)]
            except ActivatorError as error:
                raise error.at("--listen-fds") from None
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
        # Not before it is needed.
        from activator.common.descriptors import place  # noqa: PLC0415

        for fd in self._found:
            os.set_inheritable(fd, False)
        try:
            place(self.targets)
        except OSError as error:
            numbers = ", ".join(map(str, sorted(self.targets)))
            raise ActivatorError(
                f"cannot place descriptors at {numbers}: {error.strerror}",
                "choose smaller numbers, or raise LimitNOFILE=",
            ) from None


def named(found: "Mapping[int, str]", reference: str) -> int:
    """Return the descriptor that ``NAME`` or ``NAME:INDEX`` means.

    Raises:
        ActivatorError: There is none, or there are several.
    """
    name, colon, index = reference.partition(":")  # a name has no colon
    fds = all_named(found, name)
    if not colon and len(fds) == 1:
        return fds[0]
    if not colon:
        last = len(fds) - 1
        raise ActivatorError(
            f"{len(fds)} descriptors are named {name!r}", f"write {name}:0 to {name}:{last}"
        )
    number = decimal(index)
    if number is None or number >= len(fds):
        raise ActivatorError(
            f"there is no {reference!r}: {len(fds)} are named {name!r}, counted from 0"
        )
    return fds[number]


def all_named(found: "Mapping[int, str]", name: str) -> list[int]:
    """Return the descriptors of one name, of which there must be one at least.

    Raises:
        ActivatorError: There is none.
    """
    fds = [fd for fd, other in found.items() if other == name]
    if not fds:
        passed = ", ".join(map(repr, dict.fromkeys(found.values())))
        raise ActivatorError(f"no descriptor is named {name!r}", f"passed: {passed}")
    return fds


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True
