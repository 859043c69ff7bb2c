"""Whatever files hold and are: check, graph and gen end, with one line for what is wrong."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activator.cli import main
from tests.support.services import clean_environment

LOCALES = ("C", "C.UTF-8", "en_US.UTF-8", "en_US.ISO-8859-1")
SERVICE = "[Service]\nExecStart=/bin/true\n"
# Pieces of units and specs, and what is none.
PIECES = st.one_of(
    st.sampled_from(
        [
            b"[Unit]\n", b"[Socket]\n", b"[Service]\n", b"[Install]\n", b"[", b"]\n", b"\\\n",
            b"ListenStream=", b"ExecStart=", b"Requires=", b"WantedBy=", b"Accept=yes\n",
            b"Environment=", b"%i", b"%", b"$", b"'", b'"', b"\0", b"\xff\xfe", b"\xe9", b"\r",
            b"\xef\xbb\xbf", b"# activator: ignore=", b"a.service b@.socket", b"../", b"=\n", b"\n",
            b"name = ", b"[sockets.a]\n", b"exec = ", b'"x"\n', b"\x1b[31m", b"&&", b"~", b"@",
            b"[Container]\n", b"Image=", b"PublishPort=", b"9" * 5_000, b"Network=host\n",
        ]
    ),
    st.binary(max_size=12),
)  # fmt: skip
CONTENT = st.lists(PIECES, max_size=25).map(b"".join)
NAMES = st.sampled_from(
    [
        *("a.socket", "a.service", "a@.service", "b.socket", "b.timer", "a.socket.d/x.conf"),
        *("service.d/y.conf", "a.service.d/z", "sub/c.service", "c.toml", "d.toml", "a.container"),
        *("sockets.target.wants/a.socket", "-x.service", "a b.service", "\udcff.service"),
    ]
)
KINDS = st.sampled_from(["fifo", "directory", "link", "loop", "nowhere", "device", "socket"])


def run(*arguments: str | Path) -> int:
    """Run a command within this process; a traceback is an error of the test."""
    with Path(os.devnull).open("w", encoding="utf-8", errors="surrogateescape") as null:
        before = sys.stdout, sys.stderr
        sys.stdout = sys.stderr = null
        try:
            return main([str(word) for word in arguments])
        finally:
            sys.stdout, sys.stderr = before


def make(path: Path, what: bytes | str) -> None:
    """Make something of any kind at a path, if there is nothing yet."""
    with suppress(FileExistsError, NotADirectoryError, PermissionError):
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(what, bytes):
            path.write_bytes(what)
        elif what == "fifo":
            os.mkfifo(path)
        elif what == "directory":
            path.mkdir()
        elif what == "device":
            path.symlink_to("/dev/zero")
        elif what == "socket":
            with socket.socket(socket.AF_UNIX) as unix, suppress(OSError):
                unix.bind(str(path))
        else:
            path.symlink_to({"link": "a.service", "loop": path.name, "nowhere": "/no/where"}[what])


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(NAMES, st.one_of(CONTENT, CONTENT, KINDS), min_size=1, max_size=8))
def test_any_tree_of_anything(tree: dict[str, bytes | str]) -> None:
    """Each command ends with 0, 1 or 2 for a folder and for each file in it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, what in tree.items():
            make(folder / path, what)
        for command in (("check", "--systemd", "257"), ("graph",)):
            assert run(*command, folder) in (0, 1, 2)
            for path in tree:
                assert run(*command, folder / path) in (0, 1, 2)
        for form in ("json", "sarif", "github"):
            assert run("check", "--systemd", "257", "--format", form, folder) in (0, 1, 2)
        assert run("check", "--fix", "--diff", folder) in (0, 1, 2)
        for path in tree:
            if path.endswith(".toml"):
                assert run("gen", "--stdout", folder / path) in (0, 1, 2)


@settings(max_examples=200, deadline=None)
@given(CONTENT, st.sampled_from([".socket", ".service", ".timer", ".path", ".toml"]))
def test_any_bytes(content: bytes, suffix: str) -> None:
    """A file of any bytes has findings or none, and its JSON is UTF-8."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, f"a{suffix}")
        path.write_bytes(content)
        assert run("check", "--systemd", "257", path) in (0, 1)
        if suffix == ".toml":
            assert run("gen", "--stdout", path) in (0, 1)


@pytest.mark.parametrize("form", ["text", "json", "sarif", "github"])
@pytest.mark.parametrize("locale", LOCALES)
def test_bytes_that_are_no_text_in_each_locale(locale: str, form: str, tmp_path: Path) -> None:
    """A unit that is not UTF-8 is told in every locale, and what programs read is UTF-8."""
    text = (
        b"[Unit]\nDescription=caf\xe9 \xe2\x86\x92\n[Service]\nExecStart=/bin/tru\xe9\nN\xe9=\xe9\n"
    )
    (tmp_path / "a.service").write_bytes(text)
    os.mkfifo(tmp_path / "b.socket")
    for command in (["check", "--format", form, "."], ["graph", "."]):
        done = subprocess.run(
            [sys.executable, "-m", "activator", *command],
            cwd=tmp_path,
            check=False,
            capture_output=True,
            timeout=300,
            env={**clean_environment(), "LC_ALL": locale, "LANG": locale},
        )
        assert done.returncode in (0, 1), done.stderr
        assert b"Traceback" not in done.stderr
        if form in ("json", "sarif") and command[0] == "check":
            assert json.loads(done.stdout.decode("utf-8"))


def in_time(seconds: float, what: Callable[[], object]) -> None:
    """Check that something ends in some seconds of this process."""
    before = os.times().user
    what()
    assert os.times().user - before < seconds


@pytest.mark.parametrize(
    "text",
    [
        "[Service]\nExecStart=/bin/true \\\n" + "  a \\\n" * 50_000 + "  b\n",
        SERVICE + "".join(f"Unknwn{number}=1\n" for number in range(5000)),
        SERVICE + "".join(f"ExecStartPre=/bin/true {number}\n" for number in range(5000)),
        SERVICE + "Environment=A=b\n" * 5000 + "[Unit]\n" + "ConditionPathExists=/a\n" * 5000,
        "nothing\n" * 20_000 + SERVICE,
        SERVICE + "[X\n" * 5000,
        "[Service]\nExecStart=/bin/true " + "'a\" && " * 5000 + "\n",
        "[Unit]\nAfter=" + "a.service " * 5000 + "\n" + SERVICE,
        SERVICE + "Restart=no\n" * 5000,
        SERVICE + "# activator: ignore=ACT203 reason\n" * 5000,
    ],
    ids=[
        "continued",
        "unknown",
        "commands",
        "conditions",
        "junk",
        "open",
        "quotes",
        "words",
        "set",
        "marks",
    ],
)
def test_long_files_take_time_in_proportion(text: str, tmp_path: Path) -> None:
    """Files of thousands of lines are done in seconds, whatever the lines are."""
    (tmp_path / "a.service").write_text(text)
    (tmp_path / "a.socket").write_text("[Socket]\nListenStream=7\n")
    in_time(15, lambda: run("check", "--systemd", "257", tmp_path))
    in_time(15, lambda: run("graph", tmp_path))


@pytest.mark.stress
def test_ten_thousand_units(tmp_path: Path) -> None:
    """As many units as no machine has are looked at in a minute of a processor."""
    for number in range(5000):
        unit = f"[Unit]\nAfter=s{number + 1}.service\nRequires=s{number}.socket\n{SERVICE}"
        (tmp_path / f"s{number}.service").write_text(unit)
        (tmp_path / f"s{number}.socket").write_text(
            f"[Unit]\nAfter=s{number}.target\n[Socket]\nListenStream=/run/s{number}.sock\n"
            "[Install]\nWantedBy=sockets.target\n"
        )
    in_time(90, lambda: run("check", "--systemd", "257", tmp_path))
    in_time(90, lambda: run("graph", tmp_path))


def test_a_port_of_any_length(tmp_path: Path) -> None:
    """A container beside its socket may publish what is no number for int()."""
    make(tmp_path / "a.socket", b"[Socket]\nListenStream=7\n")
    text = f"[Container]\nImage=a\nPublishPort={'9' * 5_000}\nPublishPort=%i:0000007:80\n"
    make(tmp_path / "a.container", text.encode())
    assert 1 == run("check", tmp_path)
