"""What a unit needs and is not there."""

from collections.abc import Iterator

from activator.check.catalogue import lookup
from activator.check.programs import missing
from activator.check.units import INFO, WARNING, Problem, Unit, World, expand, service_name

_REQUIRES = ("Requires", "BindsTo", "Requisite", "BindTo", "RequiresOverridable")
# Made by systemd itself or by the kernel's devices, without any file.
_IMPLICIT = (".device", ".slice", ".scope", ".mount", ".swap", ".automount")


def missing_service(unit: Unit, world: World) -> Iterator[Problem]:
    """Find sockets whose service does not exist: they listen, but cannot be started.

    With Accept=no the socket NAME.socket starts NAME.service, or what Service= names; with
    Accept=yes it starts instances of the template NAME@.service. Without a root directory
    only files beside the socket are known.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=7777
        Accept=yes

        # echo.service
        [Service]
        ExecStart=/usr/bin/cat

    Good::

        # echo.socket
        [Socket]
        ListenStream=7777
        Accept=yes

        # echo@.service
        [Unit]
        CollectMode=inactive-or-failed

        [Service]
        ExecStart=/usr/bin/cat
        StandardInput=socket
    """
    if unit.type != "socket" or not unit.settings.all("Listen") or unit.is_dropin_only:
        return
    name = service_name(unit)
    if not name or world.find(name) is not None or world.alias_of(name):
        return
    if world.made(name) or world.is_stranger(name):
        return
    accept = unit.settings.get("Accept")
    named = unit.settings.get("Service")
    if unit.settings.on("Accept"):
        other = f"{unit.stem}.service"
        hint = f"write {name}"
        if world.find(other) is not None:
            hint = f"rename {other} to {name}, or write Accept=no"
        yield Problem(f"Accept=yes starts {name}, which is missing", hint, accept)
        return
    template = f"{unit.stem}@.service"
    hint = f"write {name}, or name another service with Service="
    if world.find(template) is not None:
        hint = f"there is {template}: write Accept=yes for it"
    entry = named or unit.settings.all("Listen")[0]
    yield Problem(f"the socket starts {name}, which is missing", hint, entry)


def missing_unit(unit: Unit, world: World) -> Iterator[Problem]:
    """Find units that are required, but do not exist: the start fails at once.

    Only a root directory tells which units there are; without one this is not an error.

    Bad::

        # echo.service
        [Unit]
        Requires=nosuch.service

        [Service]
        ExecStart=/usr/bin/echo-server

    Good::

        # echo.service
        [Unit]
        Wants=nosuch.service

        [Service]
        ExecStart=/usr/bin/echo-server
    """
    for word, entry in unit.words("Unit", *_REQUIRES):
        wanted = _instance(word, unit)
        if not wanted or wanted.endswith(_IMPLICIT) or world.find(wanted) is not None:
            continue
        if world.alias_of(wanted) or world.made(wanted):
            continue
        if world.complete:
            message = f"{entry.name}= needs {wanted}, which is missing"
            yield Problem(message, "install it, or write Wants=", entry, focus=word)
        elif not wanted.endswith(".target"):
            message = f"{entry.name}= needs {wanted}, which is not here"
            hint, severity = "--root DIR tells whether it is installed", INFO
            stem, _, kind = wanted.rpartition(".")
            template = f"{stem}@.{kind}"
            if "@" not in stem and world.find(template) is not None:
                hint = f"there is {template}: name an instance, such as {stem}@%i.{kind}"
                severity = WARNING
            yield Problem(message, hint, entry, focus=word, severity=severity)


def missing_program(unit: Unit, world: World) -> Iterator[Problem]:
    """Find commands whose program does not exist or cannot be executed.

    This is checked only where a root directory is known. A command with - in front may fail.

    Bad::

        # echo.service
        [Service]
        ExecStart=/usr/bin/nosuch

    Good::

        # echo.service
        [Service]
        ExecStart=/bin/true
    """
    if world.root is None:
        return
    for entry in unit.entries:
        if entry.name.startswith("Exec") and unit.settings.counts(entry):
            directive = lookup(entry.section, entry.name)
            if directive is None or directive.type != "command":
                continue
            for program, why in missing(entry.value, unit, world.root):
                if _conditional(program, unit):
                    continue
                yield Problem(f"{program} {why}", "install it, or mend the path", entry, program)


def _instance(word: str, unit: Unit) -> str:
    """Return the unit that a word names; empty if that cannot be told."""
    name = expand(word, unit)
    return name.replace("@.", f"@{unit.instance}.", 1) if "@." in name else name


def _conditional(program: str, unit: Unit) -> bool:
    """Return whether a condition keeps the unit from being started without a program."""
    names = ("ConditionPathExists", "ConditionFileIsExecutable", "ConditionFileNotEmpty")
    conditions = (entry.value for name in names for entry in unit.lines("Unit", name))
    return any(value.lstrip("|") == program for value in conditions)
