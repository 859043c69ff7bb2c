"""Warm per-connection serving, beside servers that start programs.

Eight clients connect, ask, read the answer to its end and leave, over and over. The peers start
/bin/cat; what that costs by itself is shown by the least that C can do. What counts is how many a
second of CPU time serves, of the server's and of its processes' together, which limits a busy
service; the rates of a machine that is busy otherwise say little, and are shown only.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import compare
import servers

BAR = 1.5
CLIENTS = 8
SECONDS = 1.0
ROUNDS = 5
PROCESS = (*servers.SERVE, "--isolation", "process")
HANDLER, PROGRAM = "plain handler", "--inetd /bin/cat"
LEAST = "/bin/cat by C"
SOCKET_ACTIVATE = "systemd-socket-activate"
XINETD = "xinetd"
XINETD_CONF = """\
defaults
{{
	instances = UNLIMITED
	per_source = UNLIMITED
	cps = 1000000 1
}}
service cat
{{
	type = UNLISTED
	id = cat
	socket_type = stream
	protocol = tcp
	wait = no
	user = {user}
	bind = 127.0.0.1
	port = PORT
	server = /bin/cat
}}
"""


def rows() -> Iterator[compare.Row]:
    """Yield the comparisons."""
    with tempfile.TemporaryDirectory() as scratch:
        sides = _sides(Path(scratch))
        rates: dict[str, list[float]] = {name: [] for name in sides}
        costs: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(ROUNDS):
            for name, side in sides.items():
                with side() as server:
                    used = server.used_by_all()
                    work = servers.load(server, servers.ASKS, CLIENTS, SECONDS)
                    time.sleep(0.1)  # until the last are reaped
                    rates[name].append(work.rate)
                    costs[name].append((server.used_by_all() - used) / work.count * 1e6)
    for peer in (SOCKET_ACTIVATE, XINETD):
        for name, bar in ((HANDLER, BAR), (PROGRAM, BAR), (LEAST, None)):
            if peer in rates:
                title = f"{name} / {peer}"
                shown = compare.compared(
                    f"CPU: {title}", costs[name], costs[peer], bar, better=compare.HIGHER, unit="us"
                )
                turned = compare.compared(title, costs[peer], costs[name])
                yield shown._replace(ratio=turned.ratio, low=turned.low, high=turned.high)
                yield compare.compared(f"rate: {title}", rates[name], rates[peer], unit="/s")


def _sides(scratch: Path) -> dict[str, Callable[[], AbstractContextManager[servers.Server]]]:
    words = ("-l", "127.0.0.1:PORT", "--accept", "--inetd", "/bin/cat")
    sides: dict[str, Callable[[], AbstractContextManager[servers.Server]]] = {
        HANDLER: lambda: servers.serving((*PROCESS, "plain:cat")),
        PROGRAM: lambda: servers.serving((*PROCESS, "--inetd", "/bin/cat")),
        LEAST: lambda: servers.serving([servers.compiled("inetd")]),
        SOCKET_ACTIVATE: lambda: servers.opening((SOCKET_ACTIVATE, *words)),
    }
    if shutil.which(XINETD):
        sides[XINETD] = lambda: servers.opening(_xinetd(scratch))
    return sides


def _xinetd(scratch: Path) -> tuple[str, ...]:
    """Return a shell command that writes the configuration, with the port in it, and runs it."""
    path = scratch / "xinetd.conf"
    text = XINETD_CONF.format(user="root")
    script = f"cat >{path} <<'END' && exec {XINETD} -dontfork -f {path} -pidfile {scratch}/pid\n"
    return "/bin/sh", "-c", f"{script}{text}END\n"


if __name__ == "__main__":
    compare.main(rows)
