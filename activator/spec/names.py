"""What may be a name: of a unit, a descriptor, a handler, a file."""

import re

from activator import quoting
from activator.errors import ActivatorError

# systemd.unit(5): a unit's name is at most 255 characters, the longest suffix we add among
# them; the prefix has these characters. "@" marks templates, which we add ourselves.
NAME_MAX = 200
NAME = r"[A-Za-z0-9:_.\\-]+"
# sd_listen_fds(3), FileDescriptorName=: printable ASCII without ":".
FDNAME_MAX = 255
FDNAME = r"[\x20-\x39\x3b-\x7e]+"
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
        hint = "use letters, digits, and any of : _ . -"
        raise ActivatorError(f"the name {name!r} holds {bad!r}", hint)
    if name.startswith("."):
        raise ActivatorError(f"the name {name!r} begins with a dot", "begin with a letter")
    return name


def fdname(name: str) -> str:
    """Return the name, if descriptors may be called by it.

    Raises:
        ActivatorError: They may not.
    """
    if not name or len(name) > FDNAME_MAX:
        raise ActivatorError("a socket's name is empty or too long", "use 1 to 255 characters")
    if not re.fullmatch(FDNAME, name) or name != name.strip():
        hint = "use printable ASCII without a colon, no space at either end"
        raise ActivatorError(f"{name!r} cannot be a descriptor's name", hint)
    quoting.raw(name, "the descriptor's name")
    return name


def handler(name: str) -> str:
    """Return the name, if it has the form of a handler's.

    Raises:
        ActivatorError: It has not.
    """
    if not isinstance(name, str) or not re.fullmatch(HANDLER, name):
        hint = 'write "module:function", as in "activator.examples.echo:echo"'
        raise ActivatorError(f"{name!r} names no handler", hint)
    return name


def absolute(path: str) -> str:
    """Return the path, if it is absolute and plain.

    Raises:
        ActivatorError: It is not.
    """
    if not path.startswith("/") or "\0" in path:
        raise ActivatorError(f"{path!r} is no absolute path", "begin with /")
    return path


def escape(text: str) -> str:
    r"""Write a text as part of a unit's name, as systemd-escape(1) does: ``\xHH`` for others."""
    return "".join(
        char if re.fullmatch(r"[A-Za-z0-9:_.-]", char) else f"\\x{ord(char):02x}" for char in text
    )
