"""Show on a terminal what the toolkit is for, step by step, with real clients and real crashes.

Everything runs as a user would run it: ``activator gen``, ``activator run`` and ``activator ctl``
in processes of their own, in a directory that is removed again. Every line that is printed was
checked: the demonstration fails, in one line, where something else happens.
"""

import tempfile
from collections.abc import Collection
from contextlib import ExitStack, suppress
from pathlib import Path

from activator.cli.demo import foreign, generating, living, modes, real
from activator.cli.demo.stage import DemoError, Say, Stage
from activator.local.activated import ActivationError

ACTS = (
    ("One spec, units for the systemd you name", generating.act),
    ("Shared: one process for all connections (Accept=no)", modes.shared),
    ("A crash and restarts under load: the sockets stay", living.crash),
    ("Per-connection: a process each (Accept=yes)", modes.per_connection),
    ("Idle services end, and the next client starts them again", living.idle),
    ("Development: changed code is taken up, and no client lost", living.reload),
    ("Other people's daemons: units, drop-ins and all", foreign.act),
    ("The same units on systemd", real.act),
)

_LONGEST = 60  # characters of a directory of temporary files


def demonstrate(say: Say, numbers: Collection[int] = ()) -> None:
    """Show everything, or some acts.

    Args:
        say: Called with each line to show.
        numbers: Which acts, from 1; all if it is empty.

    Raises:
        ActivatorError: Something did not happen as it should.
    """
    with ExitStack() as stack:
        # The path of a Unix socket has 107 bytes at most (unix(7)).
        short = None if len(tempfile.gettempdir()) <= _LONGEST else "/tmp"  # noqa: S108
        made = tempfile.TemporaryDirectory(prefix="activator-demo-", dir=short)
        scratch = stack.enter_context(made)
        stage = Stage(Path(scratch), say, stack)
        for number, (title, act) in enumerate(ACTS, 1):
            if numbers and number not in numbers:
                continue
            say(f"{number}. {title}", "title")
            try:
                act(stage)
            except (ActivationError, OSError) as error:
                raise DemoError(_reason(error)) from None


def _reason(error: Exception) -> str:
    """Return an error in one line; what a run has written on stderr comes last."""
    lines = str(error).splitlines() or [type(error).__name__]
    what = lines[0].removesuffix("; what did:")
    with suppress(IndexError):
        what += f"; it said: {lines[1:][-1].strip()}"
    return what
