"""What Quadlet, podman and systemd make of a container's file."""

import re
from collections.abc import Iterator

from activator.check.containers import HOME, UNITS, Quadlet
from activator.check.units import Problem, World
from activator.errors import ActivatorError
from activator.unitfile import quadlet
from activator.unitfile.quadlet import values
from activator.unitfile.quadlet.versions import written

# The first podman that starts nothing without a word on these.
_REFUSING = {"Type", "KillMode"}


def quadlet_refused(unit: Quadlet, world: World) -> Iterator[Problem]:
    """Find what makes Quadlet leave a whole file out: there is no service then.

    Only the log of the boot, or of the daemon-reload, tells; the socket says that its
    service does not exist.

    Bad::

        # web.container
        [Container]
        Imge=localhost/web:1

    Good::

        # web.container
        [Container]
        Image=localhost/web:1
    """
    del world
    if unit.kind.since > unit.podman:
        what = f"podman {written(unit.podman)} does not read .{unit.kind.suffix} files"
        yield Problem(what, f"it needs podman {written(unit.kind.since)} or later")
        return
    for entry in unit.keys:
        key = quadlet.lookup(entry.section, entry.name)
        if key is None:
            what = f"no podman knows {entry.name}= in [{entry.section}], so there is no service"
            hint = quadlet.suggest(entry.section, entry.name)
            yield Problem(what, hint, entry, on_name=True)
        elif old := quadlet.newer(key, unit.podman):
            since = written(key.since)
            hint = f"it needs podman {since} or later; for a machine that has it: --podman {since}"
            yield Problem(old, hint, entry, on_name=True)
    if unit.kind.section == "Container":
        images = [unit.key("Image"), unit.key("Rootfs")]
        if not any(images):
            what = "neither Image= nor Rootfs= is there, so Quadlet leaves the file out"
            yield Problem(what, "add Image=")
        yield from _refused_directives(unit)


def _refused_directives(unit: Quadlet) -> Iterator[Problem]:
    for entry in unit.entries:
        limit = quadlet.service_limits().get(entry.name)
        if entry.section != "Service" or limit is None or entry.name not in _REFUSING:
            continue
        if not re.fullmatch(limit.allowed, entry.value):
            yield Problem(f"with {entry.name}={entry.value}, {limit.what}", limit.hint, entry)


def quadlet_value(unit: Quadlet, world: World) -> Iterator[Problem]:
    """Find values that Quadlet or podman does not take.

    Bad::

        # web.container
        [Container]
        Image=localhost/web:1
        Pull=no

    Good::

        # web.container
        [Container]
        Image=localhost/web:1
        Pull=never
    """
    del world
    for entry in unit.keys:
        key = quadlet.lookup(entry.section, entry.name)
        if key is None:
            continue
        try:
            values.check(key, entry.value, unit.podman)
        except ActivatorError as error:
            yield Problem(error.message, error.hint, entry)


def quadlet_section(unit: Quadlet, world: World) -> Iterator[Problem]:
    """Find sections in Quadlet's files that nobody reads.

    Bad::

        # web.container
        [Continer]
        Image=localhost/web:1

    Good::

        # web.container
        [Container]
        Image=localhost/web:1
    """
    del world
    for line, section in unit.skipped:
        place = (unit.path, line)
        hint = f"a .{unit.kind.suffix} has [{unit.kind.section}], [Unit], [Service] and [Install]"
        yield Problem(f"nobody reads [{section}]", hint, place=place)


def misplaced_quadlet(unit: Quadlet, world: World) -> Iterator[Problem]:
    """Find files for Quadlet where it does not look: no service is made of them.

    It looks below /etc/containers/systemd, for users' managers below
    ~/.config/containers/systemd and /etc/containers/systemd/users; systemd's own directories
    are not among them.

    Bad::

        # etc/systemd/system/web.container
        [Container]
        Image=localhost/web:1

    Good::

        # etc/containers/systemd/web.container
        [Container]
        Image=localhost/web:1
    """
    del world
    folder = unit.path.rpartition("/")[0]
    if folder.endswith(UNITS):
        base = folder[: folder.rindex("/systemd/")]
        yield Problem("Quadlet does not look here", f"move it to {base}{HOME}")


def service_of_podman(unit: Quadlet, world: World) -> Iterator[Problem]:
    """Find directives of [Service] that are about podman, and not about the container.

    Bad::

        # web.container
        [Container]
        Image=localhost/web:1

        [Service]
        User=www-data

    Good::

        # web.container
        [Container]
        Image=localhost/web:1
        User=www-data
    """
    del world
    for entry in unit.entries if unit.kind.section == "Container" else ():
        limit = quadlet.service_limits().get(entry.name)
        told = entry.section == "Service" and limit is not None and entry.name not in _REFUSING
        if told and limit and entry.value and not limit.allowed:
            yield Problem(f"{entry.name}= in [Service]: {limit.what}", limit.hint, entry)
