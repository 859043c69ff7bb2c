"""What may be a name: of a unit, a descriptor, a handler, a file."""

import re

from activator.common.fdname import LONGEST, is_fdname
from activator.errors import ActivatorError
from activator.unitfile import quoting

# systemd.unit(5): a unit's name is at most 255 characters, the longest suffix we add among
# them; the prefix has these characters. "@" marks templates, which we add ourselves. systemd
# takes ":" too, but then cannot make the links of [Install] ("Couldn't process aliases"), and
# StateDirectory= reads what follows it as a link's name.
NAME_MAX = 200
NAME = r"[A-Za-z0-9_.\\-]+"
HANDLER = r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*"


def unit_prefix(name: str) -> str:
    """Return the name, if units may be called by it.

    Raises:
        ActivatorError: They may not.
    """
    if not name:
        raise ActivatorError("the name is empty", 'give one, as in name = "echo"')
    if len(name) > NAME_MAX:
        raise ActivatorError("the name is too long", f"use at most {NAME_MAX} characters")
    if not re.fullmatch(NAME, name):
        bad = next(char for char in name if not re.fullmatch(NAME, char))
        hint = "use letters, digits, and any of _ . -"
        raise ActivatorError(f"the name {name!r} holds {bad!r}", hint)
    if name.startswith("."):
        raise ActivatorError(f"the name {name!r} begins with a dot", "begin with a letter")
    return name


def fdname(name: str) -> str:
    """Return the name, if descriptors may be called by it.

    Raises:
        ActivatorError: They may not.
    """
    if not name or len(name) > LONGEST:
        raise ActivatorError(
            "a socket's name is empty or too long", f"use 1 to {LONGEST} characters"
        )
    if not is_fdname(name) or name != name.strip():
        hint = "use printable ASCII without a colon, no space at either end"
        raise ActivatorError(f"{name!r} cannot be a descriptor's name", hint)
    quoting.raw(name, "the descriptor's name")
    return name


def handler(name: str, interface: str = "") -> str:
    """Return the name, if it has the form of a handler's, or of an application's.

    Raises:
        ActivatorError: It has not.
    """
    if not isinstance(name, str) or not re.fullmatch(HANDLER, name):
        what, example = ("application", "shop:app") if interface else ("handler", "shop:serve")
        hint = f'write "module:name", as in "{example}"'
        raise ActivatorError(f"{name!r} names no {what}", hint)
    return name


def absolute(path: str) -> str:
    """Return the path, if it is absolute and plain.

    Raises:
        ActivatorError: It is not.
    """
    if not path.startswith("/") or "\0" in path:
        raise ActivatorError(f"{path!r} is not an absolute path", "begin with /")
    return path


def escape(text: str) -> str:
    r"""Write a text as part of a unit's name, as systemd-escape(1) does: ``\xHH`` for others."""
    return "".join(
        char if re.fullmatch(r"[A-Za-z0-9:_.-]", char) else f"\\x{ord(char):02x}" for char in text
    )
