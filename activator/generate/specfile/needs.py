"""What a spec needs: checked one by one, then against the rest of the spec."""

import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any

from activator.common.suggest import nearest
from activator.errors import ActivatorError
from activator.generate import hardening
from activator.generate.hardening import containers
from activator.generate.specfile.directives import Report
from activator.generate.specfile.spec import Spec
from activator.unitfile import directives, values

# systemd-sysusers(8) and systemd's own limit for a user's name; a number is one as well.
_USER = r"[A-Za-z_][A-Za-z0-9_-]{0,30}|[0-9]+"
_NAME = r"[A-Za-z0-9_.][A-Za-z0-9_.@-]*(/[A-Za-z0-9_.][A-Za-z0-9_.@-]*)*"
# The need to use instead of writing to a service's own directory, which it also makes.
_OWN = {"/var/lib": "state", "/var/cache": "cache", "/var/log": "logs", "/run": "runtime"}


def read(
    items: list[Any], version: int, report: Report, *, contained: bool = False
) -> Iterator[str]:
    """Yield the needs that are right, as they were written.

    Args:
        items: What the spec lists.
        version: The systemd version it is for.
        report: Called with each mistake.
        contained: Whether they are those of a container.
    """
    for index, text in enumerate(items):
        try:
            _check(text, items[:index], version, contained=contained)
        except ActivatorError as error:
            report(error, ("needs", index))
        else:
            yield text


def check(spec: Spec, report: Report) -> None:
    """Check a spec's needs against the rest of it.

    Args:
        spec: The spec.
        report: Called with each mistake.
    """
    if spec.needs and spec.hardening == "none":
        message = 'hardening = "none" leaves nothing for needs to open'
        report(ActivatorError(message, "remove one of the two"), ("needs",))
    found = [(hardening.find(text), text) for text in spec.needs]
    names = {need.name for (need, _), _ in found}
    for (need, argument), text in found:
        if need.requires and need.requires not in names:
            message = f"the need {text!r} is of no use to a dynamic user"
            hint = f"add a user that has the rights: {need.requires}:NAME"
            report(ActivatorError(message, hint), ("needs",))
        if need.form == "write:PATH":
            _check_own(spec, argument, report)


def _check(text: Any, before: list[Any], version: int, *, contained: bool) -> None:
    """Check one need, its argument too, beside those before it.

    Raises:
        ActivatorError: It is wrong.
    """
    if not isinstance(text, str):
        raise ActivatorError("a need is not a string", 'write needs = ["network"]')
    if text in before:
        raise ActivatorError(f"the need {text!r} is given twice", "remove one")
    need, argument = hardening.find(text)
    checker = _CHECKERS.get(need.placeholder)
    if checker:
        checker(argument)
    if contained:
        containers.key_of(text)
        return
    terms = {"argument": argument, "name": "name", "user": "user"}
    effect = hardening.effect(need, argument)
    if need.placeholder == "PATH" and need.hidden.add and argument == hardening.hiding(argument):
        raise ActivatorError(f"{argument!r} is hidden as a whole", "name what lies below it")
    if need.placeholder and not (effect.set or effect.add):
        raise ActivatorError(
            f"the need {text!r} opens nothing that is not open already", "remove it"
        )
    for name, template in (*effect.set.items(), *effect.add.items()):
        directive = directives.lookup(hardening.SECTION, name)
        if directive is not None and "{argument}" in template:
            line = hardening.fill(name, template, terms)
            verdict = values.judge_written(directive, line, version)
            if not verdict.accepted:
                raise verdict.error()


def _path(path: str) -> None:
    """Check a path that is to be opened."""
    if not path.startswith("/"):
        raise ActivatorError(f"{path!r} is not an absolute path", f"write /{path}")
    if str(PurePosixPath(path)) != path or ".." in PurePosixPath(path).parts:
        raise ActivatorError(f"the path {path!r} is not in its plain form", "remove . .. // and /")
    if ":" in path:
        raise ActivatorError(f"the path {path!r} holds a colon", "systemd would split it there")
    if path in ("/", "/dev/shm"):  # noqa: S108 - data
        raise ActivatorError(f"{path!r} is more than a need opens", "name what lies below it")


def _device(path: str) -> None:
    """Check the path of a device."""
    _path(path)
    if not path.startswith("/dev/"):
        raise ActivatorError(f"{path!r} is not a device", "name one below /dev")


def _user(name: str) -> None:
    """Check the name of a user or group."""
    if not re.fullmatch(_USER, name):
        raise ActivatorError(f"{name!r} cannot be a user or group", "name one, as www-data")


def _name(name: str) -> None:
    """Check the name of a directory below /var/lib."""
    if not re.fullmatch(_NAME, name) or ".." in name.split("/"):
        hint = "write a name, or some with / between them"
        raise ActivatorError(f"{name!r} cannot be a directory's name", hint)


def _capability(name: str) -> None:
    """Check the name of a capability."""
    known = hardening.capabilities()
    if name not in known:
        near = nearest(f"CAP_{name.upper().removeprefix('CAP_')}", known)
        hint = f"did you mean {near!r}?" if near else "capabilities(7) lists them"
        raise ActivatorError(f"there is no capability {name!r}", hint)


def _allowed(text: str) -> None:
    """Check what is to be allowed: ``~`` would turn that round."""
    if text.startswith("~"):
        raise ActivatorError(f"{text!r} forbids instead of allowing", "remove the ~")


_CHECKERS: dict[str, Callable[[str], None]] = {
    "PATH": _path,
    "DEVICE": _device,
    "USER": _user,
    "GROUP": _user,
    "NAME": _name,
    "CAPABILITY": _capability,
    "FAMILY": _allowed,
    "CALLS": _allowed,
    "KINDS": _allowed,
}


def _check_own(spec: Spec, path: str, report: Report) -> None:
    """Note a directory that systemd would make and own for the service."""
    for parent, need in _OWN.items():
        if PurePosixPath(path).is_relative_to(f"{parent}/{spec.name}"):
            hint = f"say {need!r}: systemd then makes {parent}/{spec.name} for the service"
            error = ActivatorError(f"nobody makes {path!r} for the service", hint)
            report(error, ("needs", spec.needs.index(f"write:{path}")))
