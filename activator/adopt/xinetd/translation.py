"""An entry of xinetd.conf in the words of systemd."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple

from activator.adopt import superserver
from activator.adopt.model import Kind, Line, Note
from activator.adopt.superserver import Served
from activator.adopt.xinetd import access
from activator.adopt.xinetd.grammar import Attribute, Entry
from activator.common import tables
from activator.errors import ActivatorError
from activator.generate.render.proxy import PROXYD
from activator.unitfile import quoting

_UNLIMITED = "UNLIMITED"
# Types of sockets that can be passed.
_TYPES = ("stream", "dgram", "seqpacket")
_SIZE = r"(?a)\d+[kKmM]?"
# The first systemd that rests where too many clients come, and then goes on.
_POLL_LIMIT_SINCE = 255


class Row(NamedTuple):
    """A row of ``attributes.tsv``."""

    kind: str
    section: str
    directive: str
    text: str


@cache
def _attributes() -> dict[str, Row]:
    return {name: Row(*rest) for name, *rest in tables.rows(__file__, "attributes.tsv")}


@cache
def _flags() -> dict[str, tuple[str, str, str]]:
    return {name: (kind, to, text) for name, kind, to, text in tables.rows(__file__, "flags.tsv")}


def translated(
    entry: Entry, said: Mapping[str, Attribute], notes: list[Note], origin: str
) -> Served:
    """Return what an entry serves.

    Args:
        entry: The entry.
        said: What holds for it.
        notes: Takes the report.
        origin: The file that was named.

    Raises:
        ActivatorError: It cannot be taken over.
    """
    return _Entry(entry, said, notes).served(origin)


class _Entry:
    """Translates one entry."""

    def __init__(self, entry: Entry, said: Mapping[str, Attribute], notes: list[Note]) -> None:
        self.entry = entry
        self.said = said
        self.notes = notes

    def served(self, origin: str) -> Served:
        """Return what it serves.

        Raises:
            ActivatorError: It cannot be taken over.
        """
        types = self._words("type")
        for word, what in (("RPC", "it is a service of Sun RPC"), ("TCPMUX", "it is on tcpmux")):
            if any(each.startswith(word) for each in types):
                hint = "run its program as a service with a port of its own"
                raise ActivatorError(f"{self.entry.service}: {what}", hint, place=self._at("type"))
        socket_type = self._word("socket_type", "stream")
        if socket_type not in _TYPES:
            what = f"a socket of type {socket_type!r} cannot be passed"
            raise ActivatorError(what, "leave the service out", place=self._at("socket_type"))
        each = self._word("wait", "no") == "no" and socket_type == "stream"
        if not each and self._word("wait") == "no":
            self.notes.append(superserver.reading_on(self._at("wait")))
        exec_, more, is_input = self._command(types, socket_type)
        if not is_input:
            each = False
        table = [*self._flags(), *self._cps(), *self._access(), *self._simple("Socket")]
        service = [*more, *self._account(), *self._simple("Service"), *self._passed()]
        keys = []
        if any(line.name == "PollLimitBurst" for line in table):
            keys.append(Line("systemd", _POLL_LIMIT_SINCE, self._at("cps"), "for PollLimitBurst="))
        self._told()
        return Served(
            name=superserver.spec_name(self._word("id", self.entry.service)),
            origin=origin,
            place=self.entry.place,
            socket_type=socket_type,
            each=each,
            listen=tuple(self._listen(socket_type)),
            exec=exec_,
            socket=tuple(line for line in table if each or not line.name.startswith("MaxConn")),
            service=tuple(service),
            environment=tuple(self._environment()),
            keys=tuple(keys),
            needs_input=is_input,
        )

    # --- helpers -----------------------------------------------------------------------

    def _words(self, name: str) -> tuple[str, ...]:
        return self.said[name].words if name in self.said else ()

    def _word(self, name: str, default: str = "") -> str:
        return (*self._words(name), default)[0]

    def _at(self, name: str) -> str:
        return self.said[name].place if name in self.said else self.entry.place

    def _note(self, kind: Kind, name: str, text: str) -> None:
        self.notes.append(Note(kind, self._at(name), f"{name}: {text}"))

    # --- what is run, and where it listens -----------------------------------------------

    def _command(
        self, types: tuple[str, ...], socket_type: str
    ) -> tuple[Line, tuple[Line, ...], bool]:
        """Return the command, its settings, and whether it has the socket as its input."""
        if "redirect" in self.said:
            return self._redirect(), (), False
        if "INTERNAL" in types:
            exec_, more = superserver.internal(self.entry.service, socket_type, self._at("type"))
            return exec_, more, True
        server, arguments = self._word("server"), list(self._words("server_args"))
        if not server:
            hint = "write server = /path/program"
            raise ActivatorError(
                f"{self.entry.service} has no server", hint, place=self.entry.place
            )
        argv = arguments if "NAMEINARGS" in self._words("flags") else [server, *arguments]
        return superserver.command(server, argv, self._at("server")), (), True

    def _redirect(self) -> Line:
        """Return the proxy to another host."""
        words, place = self._words("redirect"), self._at("redirect")
        if len(words) != 2:  # noqa: PLR2004 - host and port
            raise ActivatorError("redirect has no host and port", "give both", place=place)
        port = superserver.port(words[1], "tcp", place)
        target = superserver.address(words[0], port)
        argv = [PROXYD, target]
        if self._word("instances", _UNLIMITED) != _UNLIMITED:
            most = superserver.number(self._word("instances"), self._at("instances"))
            argv.insert(1, f"--connections-max={most}")
        why = "systemd's own proxy; it looks a host's name up for each connection"
        return Line("exec", quoting.command(argv), place, why)

    def _listen(self, socket_type: str) -> Iterator[Line]:
        """Yield the address, and what it is for."""
        protocol = "udp" if socket_type == "dgram" else "tcp"
        name = "port" if "port" in self.said else "service"
        place = self._at(name)
        number = superserver.port(self._word("port", self.entry.service), protocol, place)
        flags = self._words("flags")
        bind = "bind" if "bind" in self.said else "interface"
        host = ""
        if bind in self.said:
            host = superserver.numeric(self._word(bind), self._at(bind))
        elif "IPv4" in flags:
            host = "0.0.0.0"
        elif "IPv6" in flags:
            host = "::"
        yield superserver.listening(socket_type, host, number, place)
        if "V6ONLY" in flags:
            yield Line("BindIPv6Only", "ipv6-only", self._at("flags"))

    # --- settings ------------------------------------------------------------------------

    def _account(self) -> Iterator[Line]:
        """Yield the user and the groups."""
        if "redirect" in self.said or "INTERNAL" in self._words("type"):
            return
        for name, directive in (("user", "User"), ("group", "Group")):
            if name in self.said:
                yield Line(directive, self._word(name), self._at(name))
        if "user" not in self.said:
            raise ActivatorError(
                f"{self.entry.service} has no user", "write user = NAME", place=self.entry.place
            )
        if self._word("groups", "no") != "yes" and self._word("user") not in ("root", "0"):
            self._note(Kind.CHANGED, "groups", "the service has its user's supplementary groups")

    def _environment(self) -> Iterator[Line]:
        """Yield the variables."""
        for word in self._words("env"):
            name, equals, value = word.partition("=")
            if not equals:
                what = f"env: {word!r} is no NAME=VALUE"
                raise ActivatorError(what, "write NAME=VALUE", place=self._at("env"))
            yield Line(name, value, self._at("env"))

    def _passed(self) -> Iterator[Line]:
        """Yield the variables of the manager that are passed on."""
        if self._words("passenv"):
            yield Line("PassEnvironment", " ".join(self._words("passenv")), self._at("passenv"))

    def _flags(self) -> Iterator[Line]:
        """Yield the options of the socket."""
        for flag in self._words("flags"):
            if flag not in _flags():
                self._note(Kind.GONE, "flags", f"{flag} is no flag")
                continue
            kind, directive, text = _flags()[flag]
            if kind == "refused":
                raise ActivatorError(f"{flag}: {text}", "leave it out", place=self._at("flags"))
            if kind == "socket":
                yield Line(directive, value=True, place=self._at("flags"))
            elif kind != "none":
                self._note(Kind(kind), "flags", f"{flag}: {text}")

    def _cps(self) -> Iterator[Line]:
        """Yield the limit of connections a second."""
        words = self._words("cps")
        if not words or _UNLIMITED in words:
            return
        place = self._at("cps")
        rate = superserver.number(words[0], place)
        if not rate:
            return
        yield Line("PollLimitIntervalSec", "1s", place)
        yield Line("PollLimitBurst", rate, place)
        rest = f" for {words[1][:9]} seconds" if len(words) > 1 else ""
        what = f"further clients of a second wait in the queue; xinetd closed the port{rest}"
        self._note(Kind.CHANGED, "cps", what)

    def _access(self) -> Iterator[Line]:
        """Yield who may connect."""
        if not {"only_from", "no_access"} & {*self.said}:
            return
        allowed, names = access.networks(self._words("only_from"))
        denied, more = access.networks(self._words("no_access"))
        for name, words in (("only_from", names), ("no_access", more)):
            if words:
                shown = " ".join(words)
                self._note(
                    Kind.DECIDE, name, f"{shown}: systemd looks no names up; write addresses"
                )
        what = "a client that is refused is not answered at all, where xinetd closed its connection"
        self._note(Kind.CHANGED, "only_from" if "only_from" in self.said else "no_access", what)
        if "only_from" in self.said:
            yield Line("IPAddressDeny", "any", self._at("only_from"))
            if holes := access.exceptions(allowed, denied):
                allowed = access.without(allowed, holes)
            for network in allowed:
                yield Line("IPAddressAllow", _network(network), self._at("only_from"))
            return
        for network in denied:
            yield Line("IPAddressDeny", _network(network), self._at("no_access"))

    def _simple(self, section: str) -> Iterator[Line]:
        """Yield the attributes that are one directive each."""
        for name, row in _attributes().items():
            if name not in self.said or row.section != section:
                continue
            word, place = self._word(name), self._at(name)
            if word == _UNLIMITED:
                if section == "Service":
                    yield Line(row.directive, "infinity", place)
                continue
            yield Line(row.directive, _checked(row.kind, word, place), place)

    def _told(self) -> None:
        """Note what has no directive."""
        for name in self.said:
            row = _attributes().get(name)
            if row is not None and not row.directive:
                self._note(Kind(row.kind), name, row.text)
            elif row is None and name not in _READ:
                self._note(Kind.GONE, name, "xinetd knows no such attribute")


# Attributes that are no rows of the table.
_READ = frozenset(
    [
        "id",
        "type",
        "flags",
        "disable",
        "socket_type",
        "protocol",
        "wait",
        "user",
        "group",
        "groups",
        "server",
        "server_args",
        "only_from",
        "no_access",
        "env",
        "passenv",
        "port",
        "redirect",
        "bind",
        "interface",
        "cps",
        "enabled",
        "disabled",
    ]
)


def _network(network: access.Network) -> str:
    """Return a network as IPAddressAllow= takes it."""
    return "any" if not network.prefixlen and network.version == 4 else str(network)  # noqa: PLR2004


def _checked(kind: str, word: str, place: str) -> str:
    """Return a value, if it has its form.

    Raises:
        ActivatorError: It has not.
    """
    forms = {"signed": r"(?a)[+-]?\d{1,3}", "octal": "[0-7]{1,5}", "size": _SIZE}
    if not re.fullmatch(forms.get(kind, r"(?a)\d{1,10}"), word):
        raise ActivatorError(f"{word[:40]!r} is not a value", "write a number", place=place)
    return f"0{word.lstrip('0')}" if kind == "octal" else word.upper()
