"""The package: its name, debhelper's compatibility level, and its units as debhelper names them."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from activator.common.regular_file import contents
from activator.deploy.debian.accounts import Account, Directory, accounts, directories
from activator.deploy.debian.dependencies import dependencies
from activator.errors import ActivatorError
from activator.generate.specfile.spec import Spec
from activator.unitfile.parse import UnitFile

# debhelper(7): what is here today; older levels know no dh_installtmpfiles.
COMPATS = (13, 14)
# Debian policy 5.6.1.
_NAME = r"[a-z0-9][a-z0-9+.-]+"


class Unit(NamedTuple):
    """A unit and the file of debian/ that it is installed from.

    Attributes:
        name: The unit's name, as in ``echo@.service``.
        file: The file's name, as in ``echo.echo-each@.service``.
        stem: What dh_installsystemd's ``--name=`` says to find it; empty for the package's own.
        text: The unit.
    """

    name: str
    file: str
    stem: str
    text: str

    @property
    def is_socket(self) -> bool:
        """Tell whether it is a socket."""
        return self.name.endswith(".socket")

    @property
    def is_template(self) -> bool:
        """Tell whether it is a template, of which debhelper starts and stops nothing."""
        return "@." in self.name


class Package(NamedTuple):
    """A binary package with the units of some specs.

    Attributes:
        name: Its name.
        compat: debhelper's compatibility level.
        specs: The specs.
        units: Their units, sockets first.
        accounts: The users and groups that the units name and Debian does not have.
        directories: The directories that the units open, and nobody else makes.
        dependencies: The packages without which the services do not start.
    """

    name: str
    compat: int
    specs: tuple[Spec, ...]
    units: tuple[Unit, ...]
    accounts: tuple[Account, ...]
    directories: tuple[Directory, ...]
    dependencies: tuple[str, ...]

    @property
    def sockets(self) -> list[Unit]:
        """Return the sockets."""
        return [unit for unit in self.units if unit.is_socket]

    @property
    def services(self) -> list[Unit]:
        """Return the services, templates too."""
        return [unit for unit in self.units if not unit.is_socket]


def package(
    specs: Sequence[Spec], texts: Mapping[str, str], name: str = "", compat: int = 0
) -> Package:
    """Return the package of some specs.

    Args:
        specs: The specs, at least one.
        texts: Unit → its text, of all specs.
        name: The package's name; without it, that of the first spec.
        compat: debhelper's compatibility level; without it, 13.

    Raises:
        ActivatorError: The name is none that a package can have, or a spec has an image.
    """
    for spec in specs:
        if spec.container:
            what = "a package cannot bring its image along, so none is made of a container"
            hint = "use activator install on the machine, where the image is"
            raise ActivatorError(what, hint, place=spec.place(("image",)))
    chosen = name or specs[0].name
    if not re.fullmatch(_NAME, chosen):
        hint = "give --package NAME: small letters, digits, + - and . make one"
        raise ActivatorError(f"{chosen!r} cannot be the name of a package", hint)
    units = [_unit(unit, text, chosen) for unit, text in texts.items()]
    parsed = [UnitFile.parse(unit.text, unit.name) for unit in units]
    return Package(
        name=chosen,
        compat=compat or COMPATS[0],
        specs=tuple(specs),
        units=tuple(sorted(units, key=lambda unit: (not unit.is_socket, unit.name))),
        accounts=tuple(accounts(parsed)),
        directories=tuple(directories(parsed)),
        dependencies=tuple(dependencies(specs, parsed)),
    )


def _unit(name: str, text: str, package: str) -> Unit:
    """Return a unit with its file's name: debian/PACKAGE[@][.STEM].TYPE (dh_installsystemd(1))."""
    stem, _, kind = name.rpartition(".")
    at = "@" if stem.endswith("@") else ""
    stem = stem.removesuffix("@")
    own = stem == package
    return Unit(name, f"{package}{at}{'' if own else f'.{stem}'}.{kind}", "" if own else stem, text)


def existing(directory: Path) -> tuple[list[str], int]:
    """Return what a debian/ directory says already.

    Args:
        directory: The directory; it may be missing.

    Returns:
        The names of its binary packages, and debhelper's compatibility level; none and 0 where
        it does not say.

    Raises:
        ActivatorError: A file of it cannot be read.
    """
    control = _read(directory / "control")
    names = re.findall(r"^Package:\s*(\S+)", control, re.MULTILINE)
    level = re.search(r"debhelper-compat\s*\(\s*=\s*(\d+)\s*\)", control)
    compat = level[1] if level else _read(directory / "compat").strip()
    return names, int(compat) if compat.isdecimal() else 0


def _read(path: Path) -> str:
    try:
        return contents(path)[0].decode()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ActivatorError(f"cannot read: {reason}", place=str(path)) from None
