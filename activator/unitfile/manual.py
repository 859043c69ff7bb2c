"""Where systemd's manual describes a directive."""

from activator.unitfile.directives import Directive

# The pages of systemd's own site, made from the same sources as the installed ones.
_PAGE = "https://www.freedesktop.org/software/systemd/man/latest/{}.html"


def page(name: str) -> str:
    """Return the address of a manual page, such as ``systemd.socket(5)``."""
    return _PAGE.format(name.partition("(")[0])


def place(directive: Directive) -> str:
    """Return the address of a directive's entry; empty if no page describes it."""
    return f"{page(directive.man)}#{directive.name}=" if directive.man else ""
