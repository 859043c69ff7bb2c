"""Files of sockets that vanish from under them, and who is known to take them away."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from activator.live.doctor.commands import anew, drop_in, edit, systemctl
from activator.live.doctor.finding import Finding
from activator.live.escapes import words
from activator.live.paths import is_gone
from activator.live.processes import look
from activator.live.units import Listen, Situation, Socket, Unit

_KINDS = ("stream", "datagram", "sequential-packet")
# Since this Python, asyncio unlinks the path of a Unix socket that a server of it had, also of one
# that was passed: cleanup_socket= of loop.create_unix_server().
_UNLINKS_SINCE = (3, 13)
_SCRIPT_MAX = 1 << 18


class _Cause(NamedTuple):
    evidence: str
    commands: tuple[str, ...]


def file_gone(socket: Socket, _: Situation) -> Iterator[Finding]:
    """The socket is open, and its file is gone or another's: nobody can reach it."""
    if not socket.up:
        return
    for listen in socket.listens:
        path = Path(listen.address)
        if not listen.address.startswith("/") or listen.kind not in _KINDS:
            continue
        others = _others(socket, listen)
        is_missing = is_gone(path)
        if not is_missing and not others:
            continue
        found = [*_causes(socket, path)]
        evidence = [cause.evidence for cause in found]
        if is_missing:
            where = path.parent if is_gone(path.parent) else path
            evidence.insert(0, f"{where}: no such {'file' if where == path else 'directory'}")
        commands = [line for cause in found for line in cause.commands]
        if not found:
            commands = [f"# find out who removes it: journalctl -u {socket.pattern} -n 20"]
        commands.append(systemctl(socket, "daemon-reload"))
        what = "is gone, though the socket is open" if is_missing else "was made anew by another"
        yield Finding(
            "file-gone",
            socket.name,
            f"{path} {what}: nobody can reach it",
            (*evidence, *others),
            (*dict.fromkeys(commands), *anew(socket)),
        )


def _others(socket: Socket, listen: Listen) -> list[str]:
    """Return who of its services has opened a socket of their own at its path."""
    held = socket.held_at(listen)
    manager = look(1)
    if len(held) < 2 or manager is None or not manager.sockets:  # noqa: PLR2004 - its own, and more
        return []
    passed = set(manager.sockets.values())
    return [
        f"{process.name}[{process.pid}] has opened {listen.address} by itself"
        for process in socket.processes
        if any(one.inode in process.sockets.values() and one.inode not in passed for one in held)
    ]


def _causes(socket: Socket, path: Path) -> Iterator[_Cause]:
    for unit in (*socket.services[:1], *socket.backends):
        if is_gone(path):
            yield from _directory(socket, unit, path)
        by = edit(socket, unit.name)
        command = " ".join(unit.arguments)
        if re.search(r"\bgunicorn\b", command):
            yield _Cause(
                f"{unit.name} runs gunicorn, which removes its Unix socket's file when it ends",
                (f"# start it with: activator exec -- gunicorn ..., without --bind: {by}",),
            )
        elif version := _asyncio(unit):
            yield _Cause(
                f"{unit.name} runs asyncio of Python {version}, which removes the file of a Unix"
                " socket when its server is closed",
                (f"# have it say create_unix_server(..., cleanup_socket=False): {by}",),
            )


def _directory(socket: Socket, unit: Unit, path: Path) -> Iterator[_Cause]:
    """Tell of a RuntimeDirectory= that goes with its service, and takes the file along."""
    base = Path("/run")
    if unit["RuntimeDirectoryPreserve"] != "no" or (unit.up and not is_gone(path.parent)):
        return
    for name in words(unit["RuntimeDirectory"]):
        if base / name.partition(":")[0] in path.parents:
            yield _Cause(
                f"{unit.name}: RuntimeDirectory={name}, which is removed with the service",
                drop_in(socket, unit.name, "Service", RuntimeDirectoryPreserve="yes"),
            )


def _asyncio(unit: Unit) -> str:
    """Return the version of Python if it unlinks sockets, and the program speaks of asyncio."""
    arguments = unit.arguments
    try:
        program = Path(arguments[0]) if arguments else Path()
        script = next((Path(word) for word in arguments[1:] if word.endswith(".py")), program)
        text = script.read_bytes()[:_SCRIPT_MAX]
        if text.startswith(b"#!") and "python" not in program.name:
            program = Path(text[2:].split(b"\n")[0].decode().split()[-1])
        if not program.is_absolute():
            program = Path("/usr/bin") / program
        found = re.fullmatch(r"python(3)\.(\d+)", program.resolve().name)
    except (OSError, ValueError, IndexError):
        return ""
    named = b"asyncio" in text or "asyncio" in " ".join(arguments)
    if not found or not named or (int(found[1]), int(found[2])) < _UNLINKS_SINCE:
        return ""
    return f"{found[1]}.{found[2]}"


DIAGNOSES = (file_gone,)
