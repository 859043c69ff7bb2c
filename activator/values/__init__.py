"""What a directive's value may be."""

from activator.directives import Directive


def check(directive: Directive, value: str, version: int) -> None:
    """Check a value as that version of systemd would.

    Raises:
        ActivatorError: systemd would drop the line.
    """
    del directive, value, version
