"""A pair of units, around some directives, for two activators to be compared by.

Every pair listens on ``/run/pair/NAME.sock`` if it says nothing else, runs a witness that
tells its first client all it sees, and may write a log, ``/run/pair/NAME.log``.
"""

import re
import textwrap
from dataclasses import dataclass, field
from typing import Any

WITNESS = "/root/witness.py"
DIRECTORY = "/run/pair"


@dataclass(frozen=True)
class Pair:
    """A socket, its service, and how it is visited.

    Attributes:
        name: The units' name.
        socket: The lines of [Socket].
        service: The lines of [Service]; a [Unit] may follow.
        ask: Where the client connects.
        source: Where it connects from.
        first: Where it sends something before that.
        times: How often it connects; the last answer counts.
        crowd: How many clients come at once; it then only counts who is answered.
        lines: How many lines the log has before all is stopped.
        more: Further units.
        since: The first version that knows what this is about.
        files: Path → text of files that it needs.
    """

    name: str
    socket: str = ""
    service: str = ""
    ask: Any = ""
    source: Any = None
    first: Any = None
    times: int = 1
    crowd: int = 0
    lines: int = 0
    more: dict[str, str] = field(default_factory=dict)
    since: int = 0
    files: dict[str, str] = field(default_factory=dict)

    @property
    def accept(self) -> bool:
        """Tell whether each connection gets its own service."""
        return "Accept=yes" in self.socket

    @property
    def log(self) -> str:
        """Return where it logs."""
        return f"{DIRECTORY}/{self.name}.log"

    @property
    def units(self) -> dict[str, str]:
        """Return its unit files."""
        lines = textwrap.dedent(self.socket).strip()
        if "Listen" not in lines:
            lines += f"\nListenStream={DIRECTORY}/%p.sock"
        service = textwrap.dedent(self.service).strip().replace("LOG", self.log)
        if "ExecStart=" not in service:
            service = f"ExecStart=/usr/bin/python3 {WITNESS}\n{service}"
        if "WorkingDirectory=" not in service:
            service = f"WorkingDirectory=/\n{service}"
        own = re.search(r"^Service=(.*)", lines, re.MULTILINE)
        name = own[1].replace("@x.", "@.") if own else f"{self.name}{'@' * self.accept}.service"
        lines = lines.replace("LOG", self.log)
        return {
            f"{self.name}.socket": f"[Socket]\n{lines}\n",
            name: f"[Service]\n{service}\n",
        } | {key: textwrap.dedent(text).replace("LOG", self.log) for key, text in self.more.items()}

    @property
    def visit(self) -> dict[str, Any]:
        """Return what the client does."""
        return {
            "name": self.name,
            "ask": self.ask or f"{DIRECTORY}/{self.name}.sock",
            "source": self.source,
            "first": self.first,
            "times": self.times,
            "crowd": self.crowd,
            "log": self.log,
            "lines": self.lines,
        }


def say(text: str) -> str:
    """Return a command that writes a line to the log."""
    return f"/bin/sh -c 'echo {text} >>LOG'"


# A service that takes its client and then does what is asked.
def serve(then: str) -> str:
    """Return a command that accepts its client, closes it, and goes on."""
    take = "import socket,os,sys,time,signal; s=socket.socket(fileno=3); s.accept()[0].close()"
    return f'/usr/bin/python3 -c "{take}; {then}"'


WAIT = "time.sleep(1000)"
# How long a service may take, on a busy machine, until it has its client.
TAKES = "4s"
POST = f"ExecStopPost={say('post $SERVICE_RESULT $EXIT_CODE $EXIT_STATUS')}"


def life(name: str, then: str, *lines: str, count: int = 1) -> Pair:
    """Return a pair whose service takes a client and does something, and tells how it ended."""
    return Pair(name, "", "\n".join([f"ExecStart={serve(then)}", *lines, POST]), lines=count)


def fails(name: str, *lines: str, count: int) -> Pair:
    """Return a pair whose service fails without a look at its client."""
    return Pair(name, "", "\n".join([*lines, POST]), lines=count)
