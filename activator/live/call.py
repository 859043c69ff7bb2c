"""Run systemctl, journalctl and busctl, and return what they say, each byte of it."""

import os
import subprocess
from typing import NamedTuple

from activator.errors import ActivatorError

# Seconds for what does not wait for a unit: systemctl waits as long itself for the bus.
ASK_S = 90.0
_PLAIN = {"LC_ALL": "C.UTF-8", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""}


class Answer(NamedTuple):
    """What a program has said.

    Attributes:
        returncode: Its exit status.
        stdout: Its output; bytes that are not UTF-8 are as in file names.
        stderr: Its errors, the same.
    """

    returncode: int
    stdout: str
    stderr: str


def call(argv: list[str], *, timeout: float | None = ASK_S) -> Answer | None:
    """Run a program with plain output; None if it is missing.

    Raises:
        ActivatorError: It takes too long.
    """
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=timeout,
            env=os.environ | _PLAIN,
        )
    except FileNotFoundError:
        return None
    except subprocess.TimeoutExpired:
        raise ActivatorError(
            f"{argv[0]} did not answer within {timeout:g} s", "see whether the manager still works"
        ) from None
    # Not in text mode: a carriage return in a service's words would begin a new line.
    out, err = (text.decode(errors="surrogateescape") for text in (done.stdout, done.stderr))
    return Answer(done.returncode, out, err)
