"""Whatever is in a file, there is a report and no traceback, and what is written is a spec."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activator.adopt import telling
from activator.adopt.model import Kind
from activator.adopt.sources import Taker
from activator.generate import specfile

DIGITS = "9" * 5000
INETD = st.lists(
    st.lists(
        st.one_of(
            st.sampled_from(
                [
                    "stream",
                    "dgram",
                    "tcp",
                    "udp6",
                    "nowait",
                    "wait.5",
                    "root",
                    "internal",
                    "/bin/cat",
                    "7",
                    "::1:7",
                    "*:",
                    "rpc/tcp",
                    "#",
                    "unix",
                    "tcp,rcvbuf=9k",
                    DIGITS,
                    "%i",
                    "$x",
                ]
            ),
            st.text(max_size=8),
        ),
        max_size=9,
    ).map(" ".join),
    max_size=5,
).map("\n".join)
XINETD = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "service x",
                "{",
                "}",
                "defaults",
                "port = 7",
                "user = root",
                "server = /bin/cat",
                "wait = no",
                "type = UNLISTED",
                "flags = SENSOR",
                "only_from = 1.2.{3,4} a ::/0",
                "no_access += 1.2.3.4/33",
                f"instances = {DIGITS}",
                f"cps = {DIGITS} 1",
                "nice = x",
                "include /dev/null",
                "env = A=%i B",
                "redirect = a 1",
                "socket_type = dgram",
            ]
        ),
        st.text(max_size=12),
    ),
    max_size=14,
).map("\n".join)
PROCFILE = st.lists(st.text(max_size=20).map("web: {}".format), max_size=3).map("\n".join)
UNIT = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "[Service]",
                "[Socket]",
                "[Unit]",
                "ExecStart=/bin/cat",
                "ListenStream=",
                "Accept=yes",
                f"ListenStream={DIGITS}",
                "ListenStream=/run/x",
                "Restart=always",
                "User=%i",
                "\\",
                "ExecStart=",
                "Description=%%",
                'Environment="A=b c"',
                "CapabilityBoundingSet=",
                "x",
            ]
        ),
        st.text(max_size=12),
    ),
    max_size=10,
).map("\n".join)


def taken(name: str, data: bytes, *more: tuple[str, bytes]) -> None:
    """Take a file over, and hold what comes of it to its promise."""
    with tempfile.TemporaryDirectory() as folder:
        for each, content in ((name, data), *more):
            Path(folder, each).write_bytes(content)
        found = list(Taker().words([f"{folder}/{name}"]))
    assert all(line.isprintable() for line in telling.lines(found))
    for one in found:
        if one.draft is None:
            assert all(note.kind in (Kind.REFUSED, Kind.GONE) or note.text for note in one.notes)
        else:
            specfile.loads(one.text)


@settings(deadline=None, max_examples=60)
@given(INETD)
def test_inetd(text: str) -> None:
    """Any text may be inetd.conf."""
    taken("inetd.conf", f"echo stream tcp nowait root internal\n{text}".encode())


@settings(deadline=None, max_examples=60)
@given(XINETD)
def test_xinetd(text: str) -> None:
    """Any text may be xinetd.conf."""
    taken("xinetd.conf", f"defaults\n{{\n}}\n{text}".encode())


@settings(deadline=None, max_examples=40)
@given(PROCFILE)
def test_procfile(text: str) -> None:
    """Any text may be a Procfile."""
    taken("Procfile", f"web: gunicorn a:b\n{text}".encode())


@settings(deadline=None, max_examples=60)
@given(UNIT, UNIT)
def test_units(socket: str, service: str) -> None:
    """Any texts may be a pair of units."""
    beside = ("x.service", f"[Service]\nExecStart=/bin/cat\n{service}".encode())
    taken("x.socket", f"[Socket]\nListenStream=7\n{socket}".encode(), beside)
    taken("x.service", beside[1])


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(["x.service", "inetd.conf", "Procfile"]), st.binary(max_size=40))
def test_bytes(name: str, data: bytes) -> None:
    """Any bytes may be in a file."""
    taken(name, data)


@pytest.mark.parametrize("name", ["x.service", "inetd.conf"])
def test_no_file(name: str, tmp_path: Path) -> None:
    """A folder or a FIFO in place of a file is told, and waited for by nobody."""
    (tmp_path / name).mkdir()
    found = list(Taker().words([f"{tmp_path}/{name}"]))
    assert all(one.draft is None for one in found)
