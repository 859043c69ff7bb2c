"""The catalogue of directives: what systemd 252 to 262 knows in four sections.

The facts live in ``directives.tsv``, one row a directive: [Unit], [Install], [Socket] and
[Service], the undocumented and legacy ones included. It is read once, in one go, and a row
is parsed when it is asked for.

Source of the table: ``systemd --dump-configuration-items`` and the manual pages of each
version, systemd's own parsers for what a value may be and whether ``%`` is expanded.
"""

from functools import cache
from typing import NamedTuple

from activator.common import tables

# The versions whose parsers were asked, and the Debian suites that ship them.
VERSIONS = (252, 254, 257, 262)
SUITES = {"bookworm": 252, "bookworm-backports": 254, "trixie": 257, "sid": 262}
OLDEST = VERSIONS[0]
NEWEST = VERSIONS[-1]
SECTIONS = ("Unit", "Install", "Socket", "Service")

# The column "specifiers" holds a version where older ones do not expand them.
_EXPANDED = {"yes": OLDEST, "no": 0}


class Directive(NamedTuple):
    """One directive of one section.

    Attributes:
        section: The section's name without brackets.
        name: The directive's name, in systemd's spelling.
        type: Our word for what a value may be; it names a checker of
            its room ``values``, with an argument behind a colon, as in ``enum:restart``.
        since: The first of :data:`VERSIONS` that knows it.
        added: The release that brought it, 0 where the manual does not say.
        until: The first version that ignores it, 0 while it works.
        status: ``documented``, ``undocumented``, ``legacy``, or ``deprecated`` if systemd
            complains about it.
        use: What to write instead of an old one; may be empty, then it has no successor.
        repeat: What several lines do: ``single`` (the last one counts), ``single-reset``
            (and an empty one restores the default), ``lines`` (each adds one; empty clears),
            ``words`` (the words of all lines add up; empty clears) or ``words-kept`` (they
            add up, and an empty line changes nothing).
        expanded: The first version that expands ``%``, 0 if none does: there ``%%`` stays two
            signs.
        quoting: How the value is taken apart: ``raw`` (as it stands), ``words`` (white space
            separates, quotes are undone), ``plain-words`` (quotes stay), ``unit-names``
            (quotes and backslashes stay), ``environment`` (words with C escapes),
            ``command`` or ``address``.
        default: What the manual states; a name ending in ``=`` is a setting of the manager.
        man: The manual page, as ``systemd.socket(5)``.
        kinds: For [Socket]: what it applies to, separated by blanks; empty: to all. Kinds of
            :class:`~activator.unitfile.address.Address`, families (``unix``, ``path`` with a file,
            ``ip``, ``ipv4``, ``ipv6``), ``tcp``, ``udp``, and the modes ``accept`` and
            ``shared``.
        summary: One line about what it does.
    """

    section: str
    name: str
    type: str
    since: int
    added: int
    until: int
    status: str
    use: str
    repeat: str
    expanded: int
    quoting: str
    default: str
    man: str
    kinds: str
    summary: str

    @property
    def first(self) -> int:
        """Return the first release that knows it, as exactly as is known."""
        return self.added if self.added > OLDEST else self.since

    @property
    def specifiers(self) -> bool:
        """Return whether a version of systemd expands ``%`` in the value."""
        return self.expanded > 0

    def expands(self, version: int) -> bool:
        """Return whether that version of systemd expands ``%`` in the value."""
        return 0 < self.expanded <= version

    def known(self, version: int) -> bool:
        """Return whether that version of systemd knows the name."""
        return version >= self.first

    def ignored(self, version: int) -> bool:
        """Return whether that version knows the name, but does nothing with it."""
        return 0 < self.until <= version

    @property
    def resets(self) -> bool:
        """Return whether an empty value is accepted and undoes what stands before it."""
        return self.repeat not in ("single", "words-kept")


@cache
def lookup(section: str, name: str) -> Directive | None:
    """Return a directive, or None if systemd knows none of that name in that section.

    Args:
        section: The section's name without brackets.
        name: The directive's name; upper and lower case matter, as they do to systemd.
    """
    line = _rows().get((section, name))
    if line is None:
        return None
    _, _, type_, since, added, until, status, use, repeat, specifiers, *rest = line.split("\t")
    quoting, default, man, kinds, summary = rest
    return Directive(
        section=section,
        name=name,
        type=type_,
        since=int(since),
        added=int(added or 0),
        until=int(until or 0),
        status=status,
        use=use,
        repeat=repeat,
        expanded=_EXPANDED[specifiers] if specifiers in _EXPANDED else int(specifiers),
        quoting=quoting,
        default=default,
        man=man,
        kinds=kinds,
        summary=summary,
    )


@cache
def names(section: str) -> tuple[str, ...]:
    """Return the names of a section's directives, in the table's order."""
    return tuple(name for where, name in _rows() if where == section)


def homes(name: str) -> tuple[str, ...]:
    """Return the sections that know a directive of that very name."""
    return tuple(section for section in SECTIONS if (section, name) in _rows())


def suggest(section: str, name: str) -> str:
    """Return a hint for a name that does not fit: the likely one, as a whole clause.

    Args:
        section: The section it was written in.
        name: The name as it was written.

    Returns:
        ``did you mean SocketMode=?``, ``SocketMode= belongs in [Socket]``, for a legacy name
        what to use instead, or nothing.
    """
    directive = lookup(section, name)
    if directive is not None:
        return _instead(directive)
    here = names(section)
    if spelled := _folded(here).get(_fold(name)):
        return f"did you mean {spelled}=?"
    if sections := homes(name):
        return f"{name}= belongs in {' or '.join(f'[{where}]' for where in sections)}"
    if near := _near(name, here):
        return f"did you mean {near}=?"
    for where in SECTIONS:
        others = names(where)
        if near := _folded(others).get(_fold(name)) or _near(name, others):
            return f"did you mean {near}= in [{where}]?"
    return ""


@cache
def _rows() -> dict[tuple[str, str], str]:
    """Return section and name of every directive with its unparsed line."""
    rows = {}
    for line in tables.lines(__file__, "directives.tsv"):
        sections, name, _ = line.split("\t", 2)
        for section in sections.split(","):
            rows[section, name] = line
    return rows


def _instead(directive: Directive) -> str:
    """Return what to do about a directive that is known, but past its time."""
    if directive.status not in ("legacy", "deprecated"):
        return ""
    return f"use {directive.use}" if directive.use else "remove the line"


def _fold(name: str) -> str:
    """Return a name without case and separators."""
    return name.casefold().replace("-", "").replace("_", "").removesuffix("=")


@cache
def _folded(candidates: tuple[str, ...]) -> dict[str, str]:
    return {_fold(name): name for name in reversed(candidates)}


def _near(name: str, candidates: tuple[str, ...]) -> str:
    """Return the candidate that is closest to a name, if one is close."""
    from difflib import get_close_matches  # noqa: PLC0415 - only a mistake needs it

    folded = _folded(candidates)
    wanted = _fold(name)
    close = get_close_matches(wanted, folded, n=1, cutoff=0.8)
    # "Listen" is far from "ListenStream" by edits, but a beginning says a lot.
    if not close and len(wanted) >= 4:  # noqa: PLR2004 - shorter beginnings fit anything
        close = [other for other in folded if other.startswith(wanted)]
    # The table begins with the most common ones, and _folded turns it round.
    return folded[close[-1]] if close else ""
