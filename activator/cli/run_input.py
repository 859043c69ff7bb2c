"""What ``activator run`` is given, as a plan: files and folders, or addresses and a command."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from activator.generate.specfile.spec import Handler
    from activator.local.units.models import Plan
    from activator.local.units.paths import RuntimeDir


class AdHoc(NamedTuple):
    """The options that only concern a command without a file.

    Attributes:
        addresses: -l.
        kinds: The type of each of them: ``stream``, ``datagram`` or ``seqpacket``.
        names: --fd-name.
        accept: --accept, and so on.
    """

    addresses: tuple[str, ...]
    kinds: list[str]
    names: tuple[str, ...]
    accept: bool
    inetd: bool
    datagram: bool
    seqpacket: bool


def kinds(order: "Sequence[str | None]") -> list[str]:
    """Return the type of each -l: what the options before it say.

    As with systemd-socket-activate, -d behind all of them is for all.

    Args:
        order: ``addresses``, ``datagram``, ``seqpacket``, as they stand on the command line.

    Raises:
        UsageError: An option has no -l behind it, and others have a type already.
    """
    from activator.errors import UsageError

    found: list[str] = []
    kind = unused = ""
    for word in order:
        if word == "addresses":
            found.append(kind or "stream")
            unused = ""
        elif word:
            if unused not in ("", word):
                what = f"does not go with --{word}"
                raise UsageError(what, "give one of them before each -l", place=f"--{unused}")
            kind = unused = word
    if unused and set(found) == {"stream"}:
        return [unused] * len(found)
    if unused and found:
        raise UsageError("there is no -l behind it", "give it first", place=f"--{unused}")
    return found


def read(
    files: tuple[str, ...],
    adhoc: AdHoc,
    runtime: "RuntimeDir",
    app_dir: str | None = None,
    *,
    strict: bool,
) -> "Plan":
    """Read what is to be run; the handlers of specs lie in a directory, if one is given.

    Raises:
        ActivatorError: It cannot be run, or not as it says and --strict is given.
        UsageError: The options do not go together.
    """
    from dataclasses import replace

    from activator.local.units.load import load

    paths: list[str] = []
    beside: list[str] = []
    if adhoc.addresses:
        texts = _command_line(files, adhoc)
    else:
        _refuse_without_listen(adhoc)
        paths, texts, beside = _sorted(files, app_dir)
    plan = load(paths, texts, runtime)
    if strict and (plan.ignored or plan.notes):
        from activator.errors import ActivatorError, combine

        problems = [ActivatorError(note) for note in plan.notes]
        if plan.ignored:
            what = f"ignored here: {', '.join(plan.ignored)}"
            problems.append(ActivatorError(what, "remove them, or run without --strict"))
        raise combine(problems)
    return replace(plan, notes=(*plan.notes, *beside)) if beside else plan


def _command_line(argv: tuple[str, ...], adhoc: AdHoc) -> dict[str, tuple[str, str]]:
    """Return the units that stand for -l and its kin."""
    from activator.errors import UsageError
    from activator.local.units.adhoc import units

    if not argv:
        raise UsageError("there is no command", "write it behind --", place="--listen")
    return units(
        adhoc.addresses,
        argv,
        kinds=adhoc.kinds,
        names=[name for text in adhoc.names for name in text.split(":")],
        accept=adhoc.accept,
        inetd=adhoc.inetd,
    )


def _refuse_without_listen(adhoc: AdHoc) -> None:
    """Refuse the options that only concern a command."""
    from activator.errors import UsageError

    options = {"names": "fd-name"}
    for name in ("accept", "inetd", "datagram", "seqpacket", "names"):
        if getattr(adhoc, name):
            hint = "give -l ADDRESS and a command, or write it into the unit"
            raise UsageError("there is no --listen", hint, place=f"--{options.get(name, name)}")


def _sorted(
    files: tuple[str, ...], app_dir: str | None
) -> tuple[list[str], dict[str, tuple[str, str]], list[str]]:
    """Return the unit files and folders, the units made of specs and containers, and what to say.

    A folder without a socket stands for the specs in it, and a container for its socket.
    """
    from pathlib import Path

    from activator.cli.located import located
    from activator.errors import UsageError
    from activator.local.units import quadlet

    if not files:
        raise UsageError("there is nothing to run", "name a spec or a unit, or give -l ADDRESS")
    paths: list[str] = []
    specs: list[str] = []
    containers: list[Path] = []
    for file in located(files, paths=False):
        inside = [] if any(Path(file).glob("*.socket")) else sorted(Path(file).glob("*.toml"))
        if file.endswith(".toml") and not inside:
            specs.append(file)
        elif inside:
            specs += map(str, inside)
        else:
            containers += _containers(Path(file))
            paths.append(_socket_of(file) if file.endswith(quadlet.SUFFIXES) else file)
    texts, beside = _rendered(specs, app_dir) if specs else ({}, [])
    if containers:
        texts = quadlet.services(containers) | texts
    return paths, texts, beside


def _containers(path: "Path") -> list["Path"]:
    """Return Quadlet's files that what is to be run needs: itself, or what is beside it."""
    from activator.local.units import quadlet

    if path.is_dir():
        return quadlet.in_folder(path)
    if path.suffix in quadlet.SUFFIXES:
        return [path]
    if path.is_file() and not path.with_suffix(".service").exists():
        return quadlet.in_folder(path.parent)
    return []


def _socket_of(file: str) -> str:
    """Return the socket that starts a container.

    Raises:
        ActivatorError: The file is not there, or the socket is not beside it.
    """
    from pathlib import Path

    from activator.errors import ActivatorError

    path = Path(file)
    if not path.is_file():
        raise ActivatorError(f"there is no file {file}", "check the path")
    socket = path.with_name(f"{path.stem.removesuffix('@')}.socket")
    if not socket.is_file():
        hint = "write it there, or name the socket that starts it"
        raise ActivatorError(f"there is no {socket.name} beside {file}", hint)
    return str(socket)


def _rendered(
    specs: "Iterable[str]", app_dir: str | None
) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """Return the units that specs stand for, and what to say.

    Raises:
        ActivatorError: A spec is wrong, or two make the same units.
    """
    from pathlib import Path

    from activator.errors import ActivatorError
    from activator.generate.render import render
    from activator.generate.specfile import load
    from activator.local.units import quadlet
    from activator.unitfile.directives import NEWEST

    texts: dict[str, tuple[str, str]] = {}
    beside: list[str] = []
    makers: dict[str, str] = {}
    for file in specs:
        spec = load(Path(file), default=NEWEST)  # all of which is obeyed here
        if app_dir is not None:
            spec = spec._replace(app_dir=str(Path(app_dir).absolute()))
        elif not spec.app_dir and (module := _beside(spec.handlers, Path(file).parent)):
            spec = spec._replace(app_dir=str(Path(file).parent.absolute()))
            what = f"{file}: {module} is taken from beside it, as it is not installed"
            beside.append(f"{what}; name its directory with --app-dir, or app-dir in the spec")
        for name, text in render(spec).items():
            other = makers.setdefault(name, file)
            if not Path(other).samefile(file):
                what = f"{other} and {file} both make {name}"
                raise ActivatorError(what, "give one of them, or another name to one")
            texts[name] = (text, f"{file}: {name}")
    return quadlet.services_of(texts), beside


def _beside(handlers: "Iterable[Handler]", directory: "Path") -> str:
    """Return the module of a handler that lies in a directory and is not installed."""
    import os
    import sys
    from importlib.machinery import PathFinder

    path = [each for each in sys.path if each not in ("", os.getcwd())]  # noqa: PTH109 - as Python
    for handler in handlers:
        module = handler.name.partition(":")[0].partition(".")[0]
        files = (directory / f"{module}.py", directory / module / "__init__.py")
        if any(file.is_file() for file in files) and PathFinder.find_spec(module, path) is None:
            return module
    return ""
