"""What the programs that services run do with their sockets."""

import os
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from activator.check.known import Known, known
from activator.check.programs import commands

if TYPE_CHECKING:
    from activator.unitfile.address import Address

SHELLS = ("sh", "bash", "dash", "zsh", "ksh")
_IDENTITY = (
    *("--ruid", "--euid", "--reuid", "--rgid", "--egid", "--regid", "--groups", "--inh-caps"),
    *("--ambient-caps", "--bounding-set", "--securebits", "--pdeathsig", "--selinux-label"),
    "--apparmor-profile",
)
# What runs the program that follows in the same process: its options that have a value in the word
# behind them, and how many words stand before the program.
_REPLACED = {
    "env": (("-u", "--unset", "-C", "--chdir"), 0),
    "nice": (("-n", "--adjustment"), 0),
    "ionice": (("-c", "--class", "-n", "--classdata"), 0),
    "chrt": (("-T", "-P", "-D", "--sched-runtime", "--sched-period", "--sched-deadline"), 1),
    "setpriv": (_IDENTITY, 0),
    "nohup": ((), 0),
    "stdbuf": (("-i", "-o", "-e", "--input", "--output", "--error"), 0),
    "taskset": ((), 1),
    "exec": (("-a",), 0),
}
_ADDRESS_OPTIONS = (
    r"--?(?:b|bind|l|listen|listen-address|listen-addr|addr|address|p|port|http|http-port"
    r"|host-port|web\.listen-address|socket|unix|unix-socket)"
)
# Words of a shell before a command, and in place of one.
_BEFORE = ("!", "if", "then", "elif", "else", "while", "until", "do")
_IN_PLACE = ("for", "case", "esac", "fi", "done")
_ASSIGNMENT = r"[A-Za-z_]\w*="
_SUBSTITUTED = r"\$\([^()]*\)|`[^`]*`"
_COMPOUND = r"(?<!\|)\|(?!\|)|\bwhile\b|\bfor\b|\buntil\b|\bif\b|\bcase\b|&\s*$"


def run_by(value: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the name and the arguments of each program of a command line.

    The module of ``python -m MODULE`` counts as the program, and so does what ``env`` and the
    like run.
    """
    for command in commands(value):
        yield _program([command.path, *command.argv[1:]])


def run_in(value: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the name and the arguments of what writes to a command line's standard output.

    As :func:`run_by` does it, but for the commands that are in a shell's script.
    """
    for name, arguments in run_by(value):
        scripts = [arguments[at] for at in _scripts(arguments)] if name in SHELLS else []
        if not scripts:
            yield name, arguments
        for script in scripts:
            for line in re.split(r"[;\n(){}]|&+|\|\|", re.sub(_SUBSTITUTED, "_", script)):
                words = line.rpartition("|")[2].split()
                while words and (words[0] in _BEFORE or re.match(_ASSIGNMENT, words[0])):
                    words = words[1:]
                if words and words[0] not in _IN_PLACE:
                    yield _program(words)


def _scripts(arguments: Sequence[str]) -> list[int]:
    """Return where a shell's script stands among its arguments; nothing if it is in a file."""
    options = [at for at, word in enumerate(arguments[:-1]) if re.fullmatch(r"-[a-z]*c", word)]
    return [at + 1 for at in options[:1]]


def _program(argv: list[str]) -> tuple[str, list[str]]:
    """Return the name and the arguments of the program that a command runs in the end."""
    while argv:
        name, rest = os.path.basename(argv[0]), argv[1:]
        if re.fullmatch(r"python[0-9.]*", name) and "-m" in rest[:-1]:
            position = rest.index("-m")
            return rest[position + 1], rest[position + 2 :]
        if name not in _REPLACED:
            return name, rest
        valued, before = _REPLACED[name]
        while rest and re.match(rf"-|{_ASSIGNMENT}", rest[0]):
            rest = rest[2 if rest[0] in valued else 1 :]
        argv = rest[before:]
    return "", []


def loses_descriptors(value: str) -> str:
    """Return the program of a command line that starts the real one as another process."""
    for name, arguments in run_by(value):
        if name in SHELLS:
            if "-c" in arguments[:-1] and _forks(name, arguments[arguments.index("-c") + 1]):
                return name
        elif known(Known.WRAPPER, name, arguments):
            return name
    return ""


def _forks(shell: str, script: str) -> bool:
    """Return whether a shell runs the commands of a script as other processes.

    dash, which is Debian's sh, does so with every command; bash and others replace themselves
    by the last one unless it is part of something larger. ``exec`` does it anywhere.
    """
    if re.search(r"\bexec\s+[^<>\s]", script):
        return False
    return shell in ("sh", "dash") or bool(re.search(_COMPOUND, script))


def address_in(arguments: Sequence[str], address: "Address") -> str:
    """Return the argument that tells a program to open an address, empty if none does."""
    if address.is_ip:
        port = str(address.port)
        for position, word in enumerate(arguments):
            option, equals, value = word.partition("=")
            text = value if equals else word
            host, colon, end = text.rpartition(":")
            # HOST:PORT is told after an option or after "=".
            before = arguments[position - 1] if position else ""
            told = bool(equals) or before.startswith("-")
            if colon and end == port and "fd" not in host and told:
                return text
            name = option if equals else before
            if text == port and re.fullmatch(_ADDRESS_OPTIONS, name):
                return text
    elif address.path:
        for position, word in enumerate(arguments):
            before = arguments[position - 1] if position else ""
            option, equals, value = word.partition("=")
            name = option if equals else before
            text = (value if equals else word).removeprefix("unix:").removeprefix("//")
            if text == address.path and re.fullmatch(_ADDRESS_OPTIONS, name):
                return text
    return ""
