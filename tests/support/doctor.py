"""A socket and its service that have something wrong on a booted systemd, and what doctor says."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.boxes.box import Box, BoxError

UNITS = "/etc/systemd/system"
PATH = "/run/ill.sock"
SOCKET = f"[Socket]\nListenStream={PATH}\n"
# Takes descriptor 3 if it is meant for it, and answers each client.
SERVER = """\
import os, socket
assert os.environ.get("LISTEN_PID") == str(os.getpid()) or os.environ.get("LOST")
if os.environ.get("LISTEN_PID") == str(os.getpid()):
    listener = socket.socket(fileno=3)
    while True:
        connection, _ = listener.accept()
        connection.sendall(b"served")
        connection.close()
import signal
signal.pause()
"""
GOOD = "[Service]\nExecStart=/usr/bin/python3 /root/server.py\n"
ACCEPT = "Accept=yes\n"
# As the generator writes services: they fail for ever, and a client waits.
FOR_EVER = "Restart=always\nRestartSec=100ms\n[Unit]\nStartLimitIntervalSec=0\n"


def service(command: str, more: str = "") -> str:
    """Return the text of a service."""
    return f"[Service]\nExecStart={command}\n{more}"


def doctor(box: Box, *units: str) -> list[dict[str, Any]]:
    """Return what doctor finds, as it tells scripts."""
    done = box.run("activator", "doctor", *units, "--format", "json", check=False)
    findings = json.loads(done.stdout)
    assert bool(findings) == done.returncode, done.stderr
    assert isinstance(findings, list)
    return findings


@contextmanager
def ill(box: Box, socket: str, text: str, *, start: bool = True) -> Iterator[None]:
    """Have ill.socket and its service in the body; with Accept=yes, its template."""
    name = "ill@.service" if ACCEPT in socket else "ill.service"
    box.write("/root/server.py", SERVER)
    with box.units({"ill.socket": socket, name: text}):
        try:
            if start:
                box.systemctl("start", "ill.socket", check=False)
            yield
        finally:
            box.run("rm", "-rf", f"{UNITS}/ill.socket.d", f"{UNITS}/{name}.d")


def knock(box: Box, address: str = f"UNIX-CONNECT:{PATH}") -> None:
    """Connect once and leave."""
    box.run("socat", "-u", "OPEN:/dev/null", address, check=False)


def mend(box: Box, finding: dict[str, Any], by_hand: Callable[[], object] = lambda: None) -> None:
    """Do what a finding says, in its order."""
    for command in finding["commands"]:
        if command.startswith("#"):
            by_hand()
        else:
            box.run("sh", "-c", command)


def replaced(box: Box, text: str) -> Callable[[], None]:
    """Return what replaces the service by hand."""

    def replace() -> None:
        box.write(f"{UNITS}/ill.service", text)
        box.systemctl("daemon-reload")

    return replace


def found(
    box: Box, name: str, unit: str = "ill.socket", words: Iterable[str] = ()
) -> dict[str, Any]:
    """Return the finding of a name, waiting until there is one.

    Args:
        box: Where.
        name: What is to be found.
        unit: The socket.
        words: What the program said, and the evidence must have: what comes through its standard
            error is in the journal later than what systemd says of it, or with its next run.
    """
    kept: list[dict[str, Any]] = []

    def look() -> bool:
        kept[:] = doctor(box, unit)
        told = ["\n".join(finding["evidence"]) for finding in kept if finding["name"] == name]
        return any(all(word in text for word in words) for text in told)

    try:
        box.wait_for(look, name)
    except BoxError as error:
        raise AssertionError(f"{error}: {kept}") from None
    (finding,) = [finding for finding in kept if finding["name"] == name]
    assert unit == finding["unit"]
    assert finding["evidence"]
    return finding


def serves(box: Box) -> None:
    """Wait until a client is served and nothing is found."""
    connect = ("socat", "-u", f"UNIX-CONNECT:{PATH}", "-")
    box.wait_for(lambda: "served" == box.run(*connect, check=False).stdout, "an answer")
    box.wait_for(lambda: not doctor(box, "ill.socket"), "an end of the findings")
