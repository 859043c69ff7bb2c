"""What systemd makes of one line: the words for it."""

from typing import NamedTuple

from activator.errors import ActivatorError
from activator.unitfile.directives import Directive

# systemd takes the line.
OK = "ok"
# systemd takes the line and prints a notice, because something is obsolete or doubtful.
NOTICE = "notice"
# systemd takes the line without a word, but drops a part of it.
SILENT = "silent"
# systemd takes the line, but what it asks for cannot work.
BROKEN = "broken"
# systemd knows the name, prints a notice and does nothing.
REMOVED = "removed"
# systemd does not know the name and goes on without the line.
UNKNOWN = "unknown"
# systemd goes on without the line, or without one of its words: the default stays.
IGNORED = "ignored"
# systemd does not load the unit.
REFUSED = "refused"

# Codes, where a verdict has to be told from others: a path is below /var/run.
LEGACY_PATH = "legacy-path"


class Verdict(NamedTuple):
    """Say what systemd makes of one line.

    Attributes:
        outcome: One of the words of this module.
        message: What is wrong, empty if nothing is.
        hint: What to write instead; may be empty.
        code: One of the codes of this module; empty for what nobody has to tell apart.
        better: A newer value that means the same; may be empty.
    """

    outcome: str = OK
    message: str = ""
    hint: str = ""
    code: str = ""
    better: str = ""

    @property
    def accepted(self) -> bool:
        """Return whether the line does what it says, if perhaps with a notice."""
        return self.outcome in (OK, NOTICE, SILENT)

    def error(self) -> ActivatorError:
        """Return the verdict as an error to raise."""
        return ActivatorError(self.message, self.hint)


ACCEPTED = Verdict()


class Context(NamedTuple):
    """What a checker may need to know beside the value.

    Attributes:
        directive: The directive.
        version: The version of systemd.
        argument: What stands behind the colon of the directive's type, or nothing.
    """

    directive: Directive
    version: int
    argument: str


class Rejected(Exception):  # noqa: N818 - never leaves activator.unitfile.values
    """The value is none: what is wrong, the right form, and what systemd does then."""

    def __init__(self, what: str, hint: str = "", outcome: str = IGNORED) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.outcome = outcome


def note(what: str, hint: str = "", outcome: str = NOTICE, code: str = "") -> Verdict:
    """Return what a checker has to say about a value that systemd takes."""
    return Verdict(outcome, what, hint, code)
