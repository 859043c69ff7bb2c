"""Warm per-connection services under a real systemd, hardened as strictly as it goes."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from activator.generate import specfile
from activator.generate.render import render
from tests.boxes.box import Box

SPEC = """\
name = "warm"
mode = "per-connection"
isolation = "process"
PROGRAM
[sockets.warm]
ListenStream = "127.0.0.1:7777"
MaxConnections = 20
"""
PLAIN = 'handler = "activator.examples.greet:greet"'
PROGRAMS = {
    "plain": PLAIN,
    "async": 'handler = "activator.examples.echo:echo"',
    "program": 'exec = "/bin/cat"',
}
ASK = "echo hello | socat -t120 - TCP:127.0.0.1:7777"


@contextmanager
def loaded(box: Box, program: str) -> Iterator[None]:
    """Have the units loaded and the socket listening in the body."""
    text = f'python = "{box.python}"\n' + SPEC.replace("PROGRAM", program)
    with box.units(render(specfile.loads(text, systemd=box.version))):
        box.systemctl("start", "warm.socket")
        yield


@pytest.mark.parametrize("kind", PROGRAMS)
def test_life(box: Box, kind: str) -> None:
    """It starts with the first client, answers many at once, and stops cleanly."""
    with loaded(box, PROGRAMS[kind]):
        answers = box.run("sh", "-c", f"for i in 1 2 3 4 5; do ({ASK}) & done; wait").stdout
        assert 5 == len(answers.splitlines())
        assert "active" == box.show("warm.service", "ActiveState")
        assert "hello" in box.run("sh", "-c", ASK).stdout.lower()
        names = ("warm.socket", "warm.service")
        done = box.run("systemd-analyze", "verify", "--recursive-errors=yes", *names, check=False)
        assert (0, "") == (done.returncode, done.stderr)
        box.systemctl("stop", "warm.socket", "warm.service")
        assert "success" == box.show("warm.service", "Result")


def test_drain(box: Box) -> None:
    """A client that is being served when the service is stopped gets its answer."""
    with loaded(box, PLAIN):
        script = (
            "mkfifo /tmp/warm.in; socat -t120 - TCP:127.0.0.1:7777 </tmp/warm.in >/tmp/warm.out & "
            "exec 4>/tmp/warm.in; echo one >&4; "
            "until grep -q one /tmp/warm.out; do sleep 0.05; done; "
            "systemctl stop --no-block warm.socket warm.service; "
            "until systemctl show -p ActiveState warm.service | grep -q deactivating; "
            "do sleep 0.05; done; echo two >&4; exec 4>&-; wait; "
            "cat /tmp/warm.out; rm /tmp/warm.in /tmp/warm.out"
        )
        assert "Hello, one!\nHello, two!\n" == box.run("sh", "-c", script).stdout
        box.wait_state("warm.service", "inactive")
        assert "success" == box.show("warm.service", "Result")
