"""Read units before they are installed, beyond what the spec was checked for."""

import os
import subprocess
import tempfile
from collections.abc import Mapping

from activator.errors import ActivatorError, combine
from activator.output.atomic import write_all
from activator.unitfile.parse import UnitFile
from activator.unitfile.values.numbers import BOOLEANS

_TIMEOUT_S = 60


def fits_user(texts: Mapping[str, str]) -> None:
    """Raise if a user's manager would refuse a unit that the system's takes.

    Args:
        texts: File name → text.

    Raises:
        ActivatorError: It is to make a user, which such a manager cannot: systemd.exec(5).
    """
    problems = []
    for name, text in texts.items():
        made = UnitFile.parse(text).get("Service", "DynamicUser") or "no"
        if BOOLEANS.get(made.lower(), False):
            message = "DynamicUser= is refused by a user's manager"
            problems.append(ActivatorError(message, "leave it out", place=name))
    if problems:
        raise combine(problems)


def verify(texts: Mapping[str, str], *, user: bool = False) -> list[str]:
    """Read units with systemd's own parser.

    Args:
        texts: File name → text.
        user: Whether they are for a user's manager.

    Returns:
        What it remarks on the units, one line each; nothing if it is not installed.

    Raises:
        ActivatorError: It refuses a unit, or a command cannot be executed.
    """
    with tempfile.TemporaryDirectory(prefix="activator-") as directory:
        paths = [str(path) for path in write_all(directory, texts)]
        scope = ["--user"] if user else []
        argv = ["systemd-analyze", *scope, "verify", "--man=no", "--", *paths]
        try:
            run = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=_TIMEOUT_S,
                env=os.environ | {"LC_ALL": "C.UTF-8", "SYSTEMD_COLORS": "0"},
            )
        except FileNotFoundError:
            return []
        except subprocess.TimeoutExpired:
            return ["systemd-analyze did not answer, so it has not read the units"]
        lines = [line.replace(f"{directory}/", "") for line in run.stderr.splitlines()]
    # It also reads what the units depend on, and remarks on that.
    ours = [line for line in dict.fromkeys(lines) if any(name in line for name in texts)]
    if run.returncode:
        said = ours or lines or [f"systemd-analyze ended with status {run.returncode}"]
        hint = "change the spec, or use --force to install it all the same"
        raise combine([ActivatorError(line.rstrip("."), hint) for line in said])
    return ours
