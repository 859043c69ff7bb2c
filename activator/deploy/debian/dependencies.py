"""The packages of Debian without which services of some specs do not start."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from activator.common import tables
from activator.common.extras import DEBIAN
from activator.errors import ActivatorError
from activator.generate.specfile.spec import Spec
from activator.unitfile import unquoting
from activator.unitfile.parse import UnitFile

# Where Debian's packages put programs; what lies elsewhere is nobody's package.
_PROGRAM = re.compile(r"(?:(?:/usr)?/s?bin/|/usr/lib/systemd/)?([^/]+)")
_VERSION = re.compile(r"(?<=\d)\.\d+$")


def dependencies(specs: Sequence[Spec], units: Iterable[UnitFile]) -> list[str]:
    """Return the packages, sorted: of programs that units run, and of what serves and measures."""
    return sorted({*_programs(units), *(name for spec in specs for name in _extras(spec))})


def _programs(units: Iterable[UnitFile]) -> Iterator[str]:
    """Yield the packages of programs that units start, as far as they are known."""
    known = dict(tables.rows(__file__, "programs.tsv"))
    entries = (entry for unit in units for entry in unit.entries if entry.name.startswith("Exec"))
    for entry in entries:
        with suppress(ActivatorError):  # no command that systemd would take
            for command in unquoting.split_command(entry.value):
                match = _PROGRAM.fullmatch(command.path)
                if match and (package := known.get(_VERSION.sub("", match[1]))):
                    yield package
                    if package == "python3" and command.argv[1:3] == ("-m", "activator"):
                        yield "python3-activator"


def _extras(spec: Spec) -> Iterator[str]:
    """Yield the packages of the extras that a spec's services use.

    An interpreter that is not Debian's has them in its own environment.
    """
    if not spec.python or _PROGRAM.fullmatch(spec.python):
        for extra in {handler.interface for handler in spec.handlers} - {""}:
            yield from DEBIAN[extra]
        if spec.metrics:
            yield from DEBIAN["metrics"]
