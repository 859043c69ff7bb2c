"""Look directives up: by name, by word, by version, by what a socket listens on."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from activator.errors import ActivatorError
from activator.generate.specfile.reader import RESERVED, SERVICE_TABLES, SOCKET_TABLES
from activator.unitfile import directives, forms, kinds, manual
from activator.unitfile.directives import OLDEST, SECTIONS, Directive

# What one listens on → the words of the catalogue's column "kinds" that concern it.
LISTENERS = {
    "stream": "stream tcp ip ipv4 ipv6 unix path accept shared",
    "tcp": "stream tcp ip ipv4 ipv6 accept shared",
    "datagram": "datagram udp ip ipv4 ipv6 unix path shared",
    "udp": "datagram udp ip ipv4 ipv6 shared",
    "seqpacket": "seqpacket unix path accept shared",
    "unix": "stream datagram seqpacket unix path accept shared",
    "fifo": "fifo shared",
    "special": "special shared",
    "netlink": "netlink shared",
    "mqueue": "mqueue shared",
    "usb": "usb shared",
}
# How several lines add up, in words.
REPEATS = {
    "single": "the last line counts",
    "single-reset": "the last line counts; an empty one restores the default",
    "lines": "each line adds one; an empty one clears the list",
    "words": "the words of all lines add up; an empty line clears the list",
    "words-kept": "the words of all lines add up",
}
# What a word of the column "kinds" means; "..." stands before " sockets".
KINDS = {
    "accept": "connections of Accept=yes",
    "datagram": "datagram...",
    "fifo": "FIFOs",
    "ip": "IP...",
    "ipv4": "IPv4...",
    "ipv6": "IPv6...",
    "mqueue": "message queues",
    "netlink": "netlink...",
    "path": "Unix sockets with a path",
    "seqpacket": "sequential-packet...",
    "shared": "Accept=no",
    "special": "special files",
    "stream": "stream...",
    "tcp": "TCP...",
    "udp": "UDP...",
    "unix": "Unix...",
}


class Entry(NamedTuple):
    """A directive and the sections that know it with the same meaning."""

    directive: Directive
    sections: tuple[str, ...]


def entries(sections: Iterable[str] = SECTIONS) -> list[Entry]:
    """Return the directives of some sections, in the catalogue's order.

    What several sections know alike comes once, under the first of them.
    """
    found: dict[Directive, list[str]] = {}
    for section in sections:
        for name in directives.names(section):
            directive = directives.lookup(section, name)
            if directive:
                found.setdefault(directive._replace(section=""), []).append(section)
    return [
        Entry(directive._replace(section=where[0]), tuple(where))
        for directive, where in found.items()
    ]


def named(name: str, sections: Iterable[str] = SECTIONS) -> list[Entry]:
    """Return the directives of one name.

    Args:
        name: The name, with or without ``=``.
        sections: Where to look.

    Raises:
        ActivatorError: There is none; the hint names the likely one.
    """
    name = name.removesuffix("=")
    where = tuple(sections)
    found = [entry for entry in entries(where) if entry.directive.name == name]
    if not found:
        hints = (directives.suggest(section, name) for section in where)
        hint = next((hint for hint in hints if hint), "activator directives lists all")
        place = f"[{where[0]}]" if len(where) == 1 else "systemd"
        raise ActivatorError(f"{place} has no directive {name!r}", hint)
    return found


def select(
    found: Iterable[Entry], *, word: str = "", since: int = 0, listener: str = ""
) -> Iterator[Entry]:
    """Yield the directives that fit.

    Args:
        found: The directives to choose from.
        word: A text in the name or in the summary, in upper or lower case.
        since: The oldest release that brought them.
        listener: What the socket listens on, one of :data:`LISTENERS`.
    """
    folded = word.casefold()
    for entry in found:
        directive = entry.directive
        text = f"{directive.name}= {directive.summary}".casefold()
        if folded in text and arrived(directive) >= since and concerns(directive, listener):
            yield entry


def arrived(directive: Directive) -> int:
    """Return the release that brought a directive, 0 if it was there in the oldest one."""
    return directive.first if directive.first > OLDEST else directive.added


def concerns(directive: Directive, listener: str) -> bool:
    """Return whether a directive of [Socket] concerns what listens so.

    What the manual page of sockets does not describe concerns their commands instead.
    """
    if not listener:
        return True
    if directive.section != "Socket" or directive.man != "systemd.socket(5)":
        return False
    words = set(LISTENERS[listener].split())
    if directive.name in kinds.KINDS:
        return kinds.KINDS[directive.name] in words
    return not directive.kinds or not words.isdisjoint(directive.kinds.split())


def concern(directive: Directive) -> str:
    """Return what a directive of [Socket] concerns, in words; empty if it is everything."""
    words = [KINDS.get(kind, kind) for kind in directive.kinds.split()]
    parts = [[word[:-3] for word in words if word.endswith("...")]]
    parts[0][-1:] = [f"{word} sockets" for word in parts[0][-1:]]
    parts.append([word for word in words if not word.endswith("...")])
    named = [word for part in parts for word in part]
    return " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)


def tables(entry: Entry) -> str:
    """Return the tables of a spec that take a directive, or why there is none."""
    names = []
    for section in entry.sections:
        if reason := RESERVED.get((section, entry.directive.name)):
            return f"not set there: {reason}"
        names += ["[sockets.NAME]"] if section == "Socket" else []
        names += [f"[{table}]" for table, known in SERVICE_TABLES.items() if known == section]
        names += [
            f"[sockets.NAME.{table}]" for table, known in SOCKET_TABLES.items() if known == section
        ]
    return " or ".join(names)


def facts(entry: Entry) -> dict[str, Any]:
    """Return all that is known about a directive, as plain values."""
    directive = entry.directive
    form = forms.form(directive)
    return {
        "name": directive.name,
        "sections": list(entry.sections),
        "summary": directive.summary,
        "values": form.text,
        "words": list(form.words),
        "examples": list(form.examples),
        "default": directive.default,
        "kinds": directive.kinds.split(),
        "repeat": directive.repeat,
        "specifiers": bool(directive.expanded),
        "spec": tables(entry),
        "status": directive.status,
        "instead": directive.use,
        "since": arrived(directive) or None,
        "removed": directive.until or None,
        "manual": directive.man,
        "url": manual.place(directive),
    }
