"""What ``activator run`` is given, as a plan: files and folders, or addresses and a command."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from activator.local.units.models import Plan
    from activator.local.units.paths import RuntimeDir

# The options that only concern a command without a file.
ADHOC = ("addresses", "accept", "inetd", "datagram", "seqpacket", "names")


def read(
    files: tuple[str, ...],
    runtime: "RuntimeDir",
    app_dir: str | None = None,
    *,
    strict: bool,
    **adhoc: Any,
) -> "Plan":
    """Read what is to be run; the handlers of specs lie in a directory, if one is given.

    Raises:
        ActivatorError: It cannot be run, or not as it says and --strict is given.
        UsageError: The options do not go together.
    """
    from activator.local.units.load import load

    paths: list[str] = []
    if adhoc["addresses"]:
        texts = _command_line(files, **adhoc)
    else:
        _refuse_without_listen(**adhoc)
        paths, texts = _sorted(files, app_dir)
    plan = load(paths, texts, runtime)
    if strict and (plan.ignored or plan.notes):
        from activator.errors import ActivatorError, combine

        problems = [ActivatorError(note) for note in plan.notes]
        if plan.ignored:
            what = f"ignored here: {', '.join(plan.ignored)}"
            problems.append(ActivatorError(what, "remove them, or run without --strict"))
        raise combine(problems)
    return plan


def _command_line(argv: tuple[str, ...], **adhoc: Any) -> dict[str, tuple[str, str]]:
    """Return the units that stand for -l and its kin."""
    from activator.errors import UsageError
    from activator.local.units.adhoc import units

    if not argv:
        raise UsageError("there is no command", "write it behind --", place="--listen")
    if adhoc["datagram"] and adhoc["seqpacket"]:
        raise UsageError("does not go with --seqpacket", "give one of them", place="--datagram")
    return units(
        adhoc["addresses"],
        argv,
        kind="datagram" if adhoc["datagram"] else "seqpacket" if adhoc["seqpacket"] else "stream",
        names=[name for text in adhoc["names"] for name in text.split(":")],
        accept=adhoc["accept"],
        inetd=adhoc["inetd"],
    )


def _refuse_without_listen(**adhoc: Any) -> None:
    """Refuse the options that only concern a command."""
    from activator.errors import UsageError

    options = {"names": "fd-name"}
    for name in ("accept", "inetd", "datagram", "seqpacket", "names"):
        if adhoc[name]:
            hint = "give -l ADDRESS and a command, or write it into the unit"
            raise UsageError("there is no --listen", hint, place=f"--{options.get(name, name)}")


def _sorted(
    files: tuple[str, ...], app_dir: str | None
) -> tuple[list[str], dict[str, tuple[str, str]]]:
    """Return the unit files and folders, and the units rendered from the specs.

    A folder without a socket stands for the specs in it.
    """
    from pathlib import Path

    from activator.errors import UsageError

    if not files:
        raise UsageError("there is nothing to run", "name a spec or a unit, or give -l ADDRESS")
    paths: list[str] = []
    specs: list[str] = []
    for file in files:
        inside = [] if any(Path(file).glob("*.socket")) else sorted(Path(file).glob("*.toml"))
        if file.endswith(".toml") and not inside:
            specs.append(file)
        elif inside:
            specs += map(str, inside)
        else:
            paths.append(file)
    texts: dict[str, tuple[str, str]] = {}
    if specs:
        from activator.render import render
        from activator.spec import load

        for file in specs:
            spec = load(Path(file))
            if app_dir is not None:
                spec = spec._replace(app_dir=str(Path(app_dir).absolute()))
            for name, text in render(spec).items():
                texts[name] = (text, f"{file}: {name}")
    return paths, texts
