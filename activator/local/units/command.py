"""From an ExecStart= line to what execve() takes: variables, the program, its arguments.

Source: systemd.service(5), "Command lines".
"""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from activator.errors import ActivatorError
from activator.unitfile.unquoting import VARIABLE, words

# systemd's own search path, behind ours.
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_VARIABLE = re.compile(r"\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def expand_variables(argv: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """Replace ``$NAME`` words and ``${NAME}`` in the arguments.

    Args:
        argv: The words of the command, specifiers resolved.
        environment: The service's environment; what it lacks is empty.
    """
    expanded: list[str] = []
    for word in argv:
        if word.startswith("$") and word[1:2] not in ("{", "$"):
            expanded += words(environment.get(word[1:], ""), VARIABLE)
        else:
            expanded.append(_VARIABLE.sub(lambda match: _value(match, environment), word))
    return expanded


def search_path() -> str:
    """Return where programs are looked for, as PATH.

    The directory of the running ``activator`` comes first, so that ``ExecStart=activator``
    also works in a virtual environment that is not active; then our own PATH, then systemd's.
    """
    parts = [str(Path(sys.executable).parent)]
    if "/" in sys.argv[0] and not sys.argv[0].endswith(".py"):
        parts.insert(0, str(Path(sys.argv[0]).absolute().parent))
    parts += os.environ.get("PATH", "").split(":") + DEFAULT_PATH.split(":")
    return ":".join(dict.fromkeys(part for part in parts if part))


def find_program(program: str, path: str) -> str:
    """Return the absolute path of a program.

    Args:
        program: An absolute path, or a name to be searched.
        path: Directories separated by colons.

    Raises:
        ActivatorError: It does not exist or may not be executed.
    """
    if "/" in program:
        if not program.startswith("/"):
            raise ActivatorError(f"{program} is a relative path", "give an absolute path")
        _check(program)
        return program
    found = ""
    for directory in path.split(":"):
        candidate = f"{directory}/{program}"
        if os.access(candidate, os.X_OK) and Path(candidate).is_file():
            return candidate
        found = found or (candidate if Path(candidate).is_file() else "")
    if found:
        _check(found)
    raise ActivatorError(
        f"there is no program {program} in {path}", "install it, or give its absolute path"
    )


def _check(path: str) -> None:
    """Raise if a file cannot be executed."""
    try:
        directory = Path(path).is_dir()
        exists = Path(path).exists()
    except PermissionError:
        raise ActivatorError(f"{path}: not permitted", "check its directories' modes") from None
    if directory:
        raise ActivatorError(f"{path} is a directory", "give the program")
    if not exists:
        raise ActivatorError(f"{path} does not exist", "install it, or correct the line")
    if not os.access(path, os.X_OK):
        raise ActivatorError(f"{path} is not executable", f"run chmod +x {path}")


def _value(match: re.Match[str], environment: Mapping[str, str]) -> str:
    """Return what a ``$$`` or ``${NAME}`` stands for."""
    return environment.get(match[1], "") if match[1] else "$"
