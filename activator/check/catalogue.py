"""The directives of every unit type: the catalogue's four sections, and all the others.

Mounts and swaps share the catalogue's directives of processes with sockets, slices and scopes
those of resources; what is their own is in ``sections.tsv``.

Source: ``systemd --dump-configuration-items`` of each version, and systemd's parsers.
"""

from functools import cache

from activator.common import tables
from activator.unitfile import directives
from activator.unitfile.directives import SECTIONS, Directive
from activator.unitfile.sections import OWN_SECTION

_RESOURCES = "systemd.resource-control(5)"
_KILL = "systemd.kill(5)"
# Section → the pages whose directives it takes as [Socket] does; None for all but sockets' own.
_SHARED: dict[str, tuple[str, ...] | None] = {
    "Mount": None,
    "Swap": None,
    "Slice": (_RESOURCES,),
    "Scope": (_RESOURCES, _KILL),
}
_SOCKETS = "systemd.socket(5)"
# Known to mounts and swaps, but to no slice and scope, and no page describes them.
_EXEC_LEGACY = ("ReadWriteDirectories", "ReadOnlyDirectories", "InaccessibleDirectories")


@cache
def lookup(section: str, name: str) -> Directive | None:
    """Return a directive of any section, or None if systemd knows none of that name there.

    Args:
        section: The section's name without brackets.
        name: The directive's name; upper and lower case matter, as they do to systemd.
    """
    if section in SECTIONS:
        return directives.lookup(section, name)
    if section not in OWN_SECTION.values():
        return None
    if (row := _rows().get((section, name))) is not None:
        return _directive(section, name, row)
    if section not in _SHARED:
        return None
    found = directives.lookup("Socket", name)
    return found._replace(section=section) if found and _shares(section, found) else None


def _shares(section: str, directive: Directive) -> bool:
    """Return whether a section takes a directive as [Socket] does."""
    pages = _SHARED[section]
    if pages is None:
        return directive.man != _SOCKETS
    if not directive.man:
        return directive.name not in _EXEC_LEGACY
    return directive.man in pages


def own() -> list[Directive]:
    """Return the directives that belong to the other types of units alone."""
    return [_directive(section, name, row) for (section, name), row in _rows().items()]


def suggest(section: str, name: str) -> str:
    """Return a hint for a name that does not fit, as :func:`directives.suggest`."""
    if section in SECTIONS:
        return directives.suggest(section, name)
    own = [known for where, known in _rows() if where == section]
    shared = directives.names("Socket") if section in _SHARED else ()
    from activator.common.suggest import nearest  # noqa: PLC0415 - only a mistake needs it

    candidates = [*own, *(other for other in shared if lookup(section, other))]
    near = nearest(name, candidates)
    return f"did you mean {near}=?" if near else ""


def _directive(section: str, name: str, row: list[str]) -> Directive:
    """Return the directive that a row of the table tells of."""
    kind, since, repeat, expands, default = row
    return Directive(
        section=section,
        name=name,
        type=kind,
        since=int(since),
        added=int(since) if int(since) > directives.OLDEST else 0,
        until=0,
        status="documented",
        use="",
        repeat=repeat,
        expanded=directives.OLDEST if expands == "yes" else 0,
        quoting="raw",
        default=default,
        man=f"systemd.{section.lower()}(5)",
        kinds="",
        summary="",
    )


@cache
def targets() -> dict[str, str]:
    """Return the targets that systemd ships, and whose they are: system, user or both."""
    return {name: manager for name, manager in tables.rows(__file__, "targets.tsv")}  # noqa: C416


@cache
def _rows() -> dict[tuple[str, str], list[str]]:
    """Return section and name → the rest of each row."""
    rows = tables.rows(__file__, "sections.tsv")
    return {(section, name): rest for section, name, *rest in rows}
