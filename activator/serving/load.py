"""Load a handler by its name, ``MODULE:HANDLER``."""

import os
import sys

from activator.errors import ActivatorError, UsageError
from activator.serving.handlers import ACCEPTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from activator.serving.handlers import Handler

# How many names to suggest for one that is not there.
SUGGESTIONS = 6


def load(words: "Sequence[str]") -> "Handler | dict[str, Handler]":
    """Load one ``MODULE:HANDLER``, or several ``FDNAME=MODULE:HANDLER``.

    Raises:
        UsageError: The words are not of that form.
        ActivatorError: A module or handler cannot be loaded.
    """
    if not words:
        raise UsageError("no handler given", "activator serve MODULE:HANDLER")
    if len(words) == 1 and "=" not in words[0]:
        return load_one(words[0])
    handlers: dict[str, Handler] = {}
    for word in words:
        # A name may contain "=", but MODULE:HANDLER may not.
        name, equals, target = word.rpartition("=")
        if not equals or not name:
            raise UsageError(
                f"no fdname: {word!r}", "with several handlers, each is FDNAME=MODULE:HANDLER"
            )
        if name in handlers:
            raise UsageError(f"the fdname {name!r} is given twice")
        handlers[name] = load_one(target)
    return handlers


def load_one(target: str) -> "Handler":
    """Load ``MODULE:HANDLER``; HANDLER may be a dotted path to an attribute.

    Raises:
        UsageError: It is not of that form.
        ActivatorError: The module is not there or fails to load, it has no such attribute, or
            the attribute cannot be called.
    """
    module_name, colon, path = target.partition(":")
    if not (colon and _is_dotted(module_name) and _is_dotted(path)):
        raise UsageError(f"not MODULE:HANDLER: {target!r}", "for example shop.front:handle")
    found: Any = _import(module_name)
    for step in path.split("."):
        if not hasattr(found, step):
            raise ActivatorError(f"{module_name} has no {path!r}", _candidates(found))
        found = getattr(found, step)
    if not callable(found):
        raise ActivatorError(
            f"{target} is no handler but {type(found).__name__}",
            f"it must be {ACCEPTED}",
        )
    return found  # type: ignore[no-any-return]  # its arguments cannot be known


def _is_dotted(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


def _import(name: str) -> object:
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        if error.name and f"{name}.".startswith(f"{error.name}."):
            raise ActivatorError(
                f"there is no module {error.name!r}", "--app-dir DIR says where to look first"
            ) from None
        raise _broken(name, error) from None
    except Exception as error:  # noqa: BLE001 - a module may fail in any way
        raise _broken(name, error) from None
    return sys.modules[name]


def _broken(name: str, error: Exception) -> ActivatorError:
    """Say what failed inside a module, and on which line of it."""
    place = ""
    if isinstance(error, SyntaxError) and error.filename:
        place = f"{error.filename}:{error.lineno}"
    else:
        frames = error.__traceback__
        while frames:
            file = frames.tb_frame.f_code.co_filename
            # The import system's own frames are frozen, and have no file.
            if os.path.isabs(file) and file != __file__:  # noqa: PTH117 - pathlib costs too much
                place = f"{file}:{frames.tb_lineno}"
            frames = frames.tb_next
    text = error.msg if isinstance(error, SyntaxError) else " ".join(str(error).split())
    return ActivatorError(f"cannot load {name}: {type(error).__name__}: {text}", place=place)


def _candidates(found: object) -> str:
    home = getattr(found, "__name__", "")
    names = (
        [
            name
            for name, value in vars(found).items()
            if not name.startswith("_")
            and callable(value)
            and getattr(value, "__module__", "") == home
        ]
        if hasattr(found, "__dict__")
        else []
    )
    if not names:
        return ""
    shown = ", ".join(names[:SUGGESTIONS])
    return f"it has {shown}{', …' if len(names) > SUGGESTIONS else ''}"
