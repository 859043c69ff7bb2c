"""Load a handler by its name, ``MODULE:HANDLER``."""

import sys

from activator.errors import ActivatorError, UsageError
from activator.runtime.serving.handlers import ACCEPTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from activator.runtime.serving.handlers import Handler

    Wrapper = Callable[[Any, str], Handler]

# How many names to suggest for one that is not there.
SUGGESTIONS = 6
APPLICATION = "the application itself, or a function that makes it"


def load(
    words: "Sequence[str]", applications: "Sequence[tuple[str, Wrapper]]" = ()
) -> "Handler | dict[str, Handler]":
    """Load one ``MODULE:HANDLER``, or several ``FDNAME=MODULE:HANDLER``.

    Args:
        words: The words, each for a handler.
        applications: More of them, each with what makes a handler from what was loaded and
            its name.

    Raises:
        UsageError: The words are not of that form.
        ActivatorError: A module or handler cannot be loaded.
    """
    wanted = [*((word, None) for word in words), *applications]
    if not wanted:
        raise UsageError("no handler given", "activator serve MODULE:HANDLER")
    handlers: dict[str, Handler] = {}
    for word, wrapper in wanted:
        # A name may contain "=", but MODULE:HANDLER may not.
        name, equals, target = word.rpartition("=")
        if not name and (equals or len(wanted) > 1):
            raise UsageError(
                f"no fdname: {word!r}", "with several handlers, each is FDNAME=MODULE:HANDLER"
            )
        if name in handlers:
            raise UsageError(f"the fdname {name!r} is given twice")
        loaded = load_one(target, APPLICATION if wrapper else ACCEPTED)
        handlers[name] = wrapper(loaded, target) if wrapper else loaded
    return handlers[""] if list(handlers) == [""] else handlers


def load_one(target: str, accepted: str = ACCEPTED) -> "Handler":
    """Load ``MODULE:HANDLER``; HANDLER may be a dotted path to an attribute.

    Args:
        target: The word.
        accepted: What it may be, for messages.

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
            f"{target} is not a handler but {type(found).__name__}", f"it must be {accepted}"
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
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a module may fail in any way
        raise _broken(name, error) from None
    return sys.modules[name]


def _broken(name: str, error: BaseException) -> ActivatorError:
    """Say what failed inside a module, and on which line of it."""
    from activator.runtime.serving.report import hint_at, place  # noqa: PLC0415 - rarely needed

    where = place(error)
    if where.startswith(f"{__file__}:"):
        where = ""  # it was not even found
    text = error.msg if isinstance(error, SyntaxError) else " ".join(str(error).split())
    what = f"cannot load {name}: {type(error).__name__}: {text}"
    return ActivatorError(what, hint_at(error), place=where)


def _is_object(value: object) -> bool:
    """Tell it from functions and classes, which are called by a name, and from words of typing."""
    return not hasattr(value, "__qualname__") and type(value).__module__ != "typing"


def _candidates(found: object) -> str:
    home = getattr(found, "__name__", "")
    values = vars(found) if hasattr(found, "__dict__") else {}
    known = [name for name, value in values.items() if name[0] != "_" and callable(value)]
    # Objects that can be called are applications, most often.
    objects = [name for name in known if _is_object(values[name])]
    own = [name for name in known if getattr(values[name], "__module__", "") == home]
    names = [*objects, *(name for name in own if name not in objects)]
    if not names:
        return ""
    shown = ", ".join(names[:SUGGESTIONS])
    return f"it has {shown}{', …' if len(names) > SUGGESTIONS else ''}"
