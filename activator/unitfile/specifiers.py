"""The specifiers (``%i``, ``%t``…) of unit files: check, escape and expand them.

systemd expands them in most values, but not in all: see
:attr:`activator.unitfile.directives.Directive.specifiers`. An unknown one makes systemd drop the
line, or refuse the unit where the directive matters for security.

Source: systemd.unit(5) "Specifiers", and systemd's own parser for what the manual leaves
open: only a letter or digit after ``%`` is a specifier, anything else stands for itself.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from activator.errors import ActivatorError


class Specifier(NamedTuple):
    """One specifier.

    Attributes:
        meaning: What stands in its place.
        sample: A text of the usual shape, to check a value without a running system.
        since: The first version that knows it.
        in_names: Whether it is expanded in unit names, as in ``After=`` and [Install].
    """

    meaning: str
    sample: str
    since: int = 0
    in_names: bool = False


SPECIFIERS = {
    "a": Specifier("architecture", "x86-64", in_names=True),
    "A": Specifier("operating system's image version", "1", in_names=True),
    "b": Specifier("boot identifier", "0" * 32, in_names=True),
    "B": Specifier("operating system's build identifier", "1", in_names=True),
    "c": Specifier("unit's control group (deprecated)", "/s"),
    "C": Specifier("root of the cache directories", "/var/cache"),
    "d": Specifier("credentials directory", "/run/credentials/s.service"),
    "D": Specifier("root of the shared data", "/usr/share", since=255),
    "E": Specifier("root of the configuration directories", "/etc"),
    "f": Specifier("unescaped instance or prefix, as a path", "/s"),
    "g": Specifier("manager's group", "root", in_names=True),
    "G": Specifier("manager's group number", "0", in_names=True),
    "h": Specifier("manager's home directory", "/root"),
    "H": Specifier("host name", "h", in_names=True),
    "i": Specifier("instance, escaped", "x", in_names=True),
    "I": Specifier("instance, unescaped", "x"),
    "j": Specifier("last part of the prefix, escaped", "s", in_names=True),
    "J": Specifier("last part of the prefix, unescaped", "s"),
    "l": Specifier("short host name", "h", in_names=True),
    "L": Specifier("root of the log directories", "/var/log"),
    "m": Specifier("machine identifier", "0" * 32, in_names=True),
    "M": Specifier("operating system's image", "image", in_names=True),
    "n": Specifier("unit's name", "s.service", in_names=True),
    "N": Specifier("unit's name without its suffix", "s", in_names=True),
    "o": Specifier("operating system", "debian", in_names=True),
    "p": Specifier("prefix, escaped", "s", in_names=True),
    "P": Specifier("prefix, unescaped", "s"),
    "q": Specifier("pretty host name", "h", in_names=True),
    "r": Specifier("slice's control group (deprecated)", ""),
    "R": Specifier("root control group (deprecated)", ""),
    "s": Specifier("manager's shell", "/bin/sh"),
    "S": Specifier("root of the state directories", "/var/lib"),
    "t": Specifier("root of the runtime directories", "/run"),
    "T": Specifier("directory for temporary files", "/tmp"),  # noqa: S108 - what systemd says
    "u": Specifier("manager's user", "root", in_names=True),
    "U": Specifier("manager's user number", "0", in_names=True),
    "v": Specifier("kernel release", "6.1.0", in_names=True),
    "V": Specifier("directory for lasting temporary files", "/var/tmp"),  # noqa: S108 - the same
    "w": Specifier("operating system's version", "12", in_names=True),
    "W": Specifier("operating system's variant", "server", in_names=True),
    "y": Specifier("unit file's path", "/etc/systemd/system/s.service"),
    "Y": Specifier("unit file's directory", "/etc/systemd/system"),
}

_SPECIFIER = r"%([%A-Za-z0-9])"
_SAMPLES = {letter: specifier.sample for letter, specifier in SPECIFIERS.items()}


def fault(text: str, version: int, *, in_names: bool = False) -> str:
    """Return the first specifier that systemd would stumble over, as ``%x``, or nothing.

    Args:
        text: A value as it stands in a unit file.
        version: The version of systemd.
        in_names: Whether the text is a unit's name, where fewer are known.
    """
    for letter in re.findall(_SPECIFIER, text):
        if letter != "%":
            known = SPECIFIERS.get(letter)
            if known is None or known.since > version or (in_names and not known.in_names):
                return f"%{letter}"
    return ""


def advice(bad: str, version: int) -> str:
    """Return what to do about a specifier that :func:`fault` found."""
    known = SPECIFIERS.get(bad[1:])
    if known is None:
        return f"write %{bad} for the text {bad}"
    if known.since > version:
        return f"systemd {known.since} brought it; write the path itself"
    return "it is not expanded in unit names"


def validate(text: str, version: int) -> None:
    """Check that systemd knows every specifier of a text.

    Args:
        text: A value as it stands in a unit file.
        version: The version of systemd.

    Raises:
        ActivatorError: One is unknown to that version.
    """
    if bad := fault(text, version):
        raise ActivatorError(f"unknown specifier {bad} in {text!r}", advice(bad, version))


def escape(text: str) -> str:
    """Double every ``%``, so that systemd reads the text as it is."""
    return text.replace("%", "%%")


def expand(text: str, table: Mapping[str, str]) -> str:
    """Replace the specifiers of a text, as systemd does.

    Args:
        text: A value as it stands in a unit file.
        table: Letter → what stands in its place.

    Raises:
        ActivatorError: The table lacks one.
    """

    def replacement(match: re.Match[str]) -> str:
        letter = match[1]
        if letter == "%":
            return "%"
        if letter not in table:
            raise ActivatorError(f"unknown specifier %{letter} in {text!r}", f"write %%{letter}")
        return table[letter]

    return re.sub(_SPECIFIER, replacement, text)


def sample(text: str) -> str:
    """Replace the known specifiers of a text by samples; the others stay."""
    return re.sub(
        _SPECIFIER, lambda match: "%" if match[1] == "%" else _SAMPLES.get(match[1], match[0]), text
    )
