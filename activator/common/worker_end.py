"""The line by which the parent of workers reports that one has ended, and how it is told apart.

The worker says by itself why it ended. Whoever looks for the cause in a log has to take the
worker's line, and not its parent's, which comes last. Import-light.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# What may stand in front, where a hand-over has failed with the worker.
RELOAD_FAILED = "reload failed: "


def report(pid: int, how: str) -> str:
    """Return how a report begins.

    Args:
        pid: The worker's process id.
        how: How it ended: ``status 1``, ``signal 9``.
    """
    return f"worker {pid} ended with {how}"


def last_word(lines: "Sequence[str]") -> str:
    """Return the last line that tells of a cause, else the last one; empty if there is none."""
    return next((line for line in reversed(lines) if not _is_report(line)), ("", *lines)[-1])


def _is_report(line: str) -> bool:
    """Tell whether a line reports an exit status, and so nothing that its worker did not say.

    A worker that was killed by a signal could say nothing: of that, the report is the cause.
    """
    before, _, after = line.removeprefix(RELOAD_FAILED).partition(" ended with status ")
    word, _, pid = before.partition(" ")
    return word == "worker" and pid.isdecimal() and after[:1].isdecimal()
