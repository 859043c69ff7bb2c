"""The pytest plugin: what it gives to tests, and what it costs those that do not use it."""

import os
import re
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from activator.testing.activation import Activate, ActivationError
from tests.support.local import ROOT, alive, environment, write_units

pytest_plugins = ["pytester"]

UNITS = {
    "cat.socket": "[Socket]\nListenStream=127.0.0.1:7\nListenStream=/run/cat/sock\nAccept=yes\n",
    "cat@.service": "[Service]\nExecStart=/bin/cat\nStandardInput=socket\n",
}


def handle(sock: socket.socket) -> None:
    """Answer with what was asked, and our process."""
    sock.sendall(sock.recv(100) + b" from %d" % os.getpid())


def test_units() -> None:
    """Units run on free ports and in a directory of their own; nothing is left behind."""
    with Activate() as activate:
        folder = Path("/nowhere")
        with pytest.raises(ActivationError, match=r"there is no file /nowhere/x\.socket"):
            activate(folder / "x.socket")


def test_addresses(tmp_path: Path) -> None:
    """A port and a path of /run are replaced, and both answer."""
    write_units(tmp_path, UNITS)
    with Activate() as activate:
        run = activate(tmp_path / "cat.socket")
        first, second = run.addresses
        assert ("cat.socket", "ListenStream") == first[:2]
        assert first.port not in (0, 7)
        assert second.text.endswith("/run/cat/sock")
        assert Path(second.text).is_socket()
        for number in (0, 1):
            with run.connect("cat", number) as client:
                client.sendall(b"hello")
                assert b"hello" == client.recv(10)
        with pytest.raises(ActivationError, match="there is no address 2 of cat"):
            run.connect("cat", 2)
        run.wait_for("ended", count=2)
        assert 2 == len(run.pids)
    assert not Path(second.text).exists()
    assert not Path(second.text).parents[2].exists()
    assert [] == [pid for pid in run.pids if alive(pid)]


def test_names_of_a_specs_sockets(tmp_path: Path) -> None:
    """A socket is found by the name that the spec gives it, too, and others are told."""
    http, admin = "[sockets.http]\nListenStream = 80", "[sockets.admin]\nListenStream = 81"
    spec = f'name = "shop"\nexec = "/bin/cat"\n{http}\n{admin}\n'
    write_units(tmp_path, {"shop.toml": spec})
    with Activate() as activate:
        run = activate(tmp_path / "shop.toml")
        for name, other in (("http", "shop-http"), ("admin", "shop-admin.socket")):
            assert run.address(name) == run.address(other)
            assert name == run.address(name).fdname
        where = re.escape(f"shop-http.socket (http) {run.address('http').text}, shop-admin.socket")
        words = f"there is no address 0 of web; there are: {where}"
        with pytest.raises(ActivationError, match=words):
            run.connect("web")


@pytest.mark.parametrize("accept", [True, False], ids=["each", "shared"])
def test_handler(accept: bool) -> None:  # noqa: FBT001
    """A function of a test module is served, in both modes."""
    with Activate() as activate:
        run = activate(handler=handle, accept=accept)
        answers = []
        for _ in range(2):
            with run.connect() as client:
                client.sendall(b"hello")
                client.shutdown(socket.SHUT_WR)
                answers.append(client.makefile().read())
        run.wait_for("started", count=2 if accept else 1)
        assert answers == [f"hello from {pid}" for pid in (run.pids * 2)[:2]]
        assert (2 if accept else 1) == len(set(run.pids))


def test_command_and_what_it_says() -> None:
    """A command's output, its end and the exit status are told."""
    with Activate() as activate:
        run = activate(
            command=["/bin/sh", "-c", "echo $MINE; read wait <&3; exit 3"],
            accept=True,
            environment={"MINE": "for us"},
        )
        with run.connect() as client:
            assert "for us" == run.wait_for("output")["text"]
            client.sendall(b"\n")
            ended = run.wait_for("ended")
        assert (3, run.pids[0]) == (ended["status"], ended["pid"])
        assert ["for us"] == run.logs
        assert 0 == run.stop()


def test_what_does_not_come_is_told() -> None:
    """Whoever waits in vain sees what came instead, and the errors."""
    with Activate() as activate:
        run = activate(command=["/bin/cat"], accept=True)
        with pytest.raises(ActivationError, match=r"output with 'x' did not come[^~]*listening"):
            run.wait_for("output", "x", timeout=0.05)
        run.process.kill()
        with pytest.raises(ActivationError):
            run.wait_for("output")


def test_fixture(pytester: pytest.Pytester) -> None:
    """A project's own test gets the fixture, and what it activates ends with the test."""
    pytester.makepyfile(
        test_it="""
        def echo(sock):
            sock.sendall(sock.recv(100))

        def test_handler(activate):
            service = activate(handler=echo, accept=True)
            with service.connect() as client:
                client.sendall(b"hello")
                assert client.recv(100) == b"hello"
            service.wait_for("ended")
            open("pid", "w").write(str(service.process.pid))

        def test_failure(activate):
            activate("missing.socket")
        """
    )
    result = pytester.runpytest_subprocess("-p", "activator.testing")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*there is no file missing.socket*"])
    assert not alive(int((pytester.path / "pid").read_text()))


def test_failures_show_the_log(pytester: pytest.Pytester) -> None:
    """A failed test is shown with what its services have written, here and with xdist."""
    pytester.makepyfile(
        test_it="""
        import pytest

        def test_failure(activate):
            service = activate(command=["/bin/sh", "-c", "echo no database today >&2; exit 3"])
            with service.connect() as client:
                with pytest.raises(ConnectionResetError):
                    assert client.recv(100) == b"hello"
                assert service.wait_for("ended")["status"] == 0

        def test_success(activate):
            activate(command=["/bin/echo", "not shown"])
        """
    )
    for more in ([], ["-n", "2"]):
        result = pytester.runpytest_subprocess("-p", "activator.testing", *more)
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.re_match_lines(
            [
                r"-+ activator run -+",
                r" *\d\.\d{3} listening sh\.socket 127\.0\.0\.1:\d+",
                r".* output    sh\.service\[\d+\] no database today",
                r".* ended     sh\.service\[\d+\] exited with status 3",
            ]
        )
        result.stdout.no_fnmatch_line("*not shown*")


def test_handler_that_cannot_be_imported() -> None:
    """A function inside another one is refused, as no other process could import it."""

    def inner(sock: socket.socket) -> None:
        del sock

    with Activate() as activate:
        for handler in (inner, lambda _: None):
            with pytest.raises(ActivationError, match="write it as a function or class of a mod"):
                activate(handler=handler)


def test_unused_it_costs_nothing() -> None:
    """Loading the plugin loads nothing but itself."""
    code = (
        "import sys, pytest; before = set(sys.modules); import activator.testing;"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    allowed = {"activator", "activator.testing", "activator.version"}
    assert set() == set(done.stdout.split()) - allowed


def test_entry_point() -> None:
    """Pytest finds the plugin by its entry point."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {"activator.testing": "activator.testing"} == project["entry-points"]["pytest11"]


def test_documented_names() -> None:
    """Every public name of what is returned is documented."""
    text = (ROOT / "docs" / "testing.md").read_text()
    from activator.testing.activation import Activated  # noqa: PLC0415

    public = [name for name in dir(Activated) if not name.startswith("_")]
    assert [] == [name for name in public if f"`{name}" not in text and name != "errors"]


def test_documentation(pytester: pytest.Pytester) -> None:
    """The tests that the documentation shows pass, those of its project too."""
    text = (ROOT / "docs" / "testing.md").read_text()
    files = dict(re.findall(r"```(?:python|ini)\n# (\S+)\n(.*?)```", text, re.DOTALL))
    assert {"shop.py", "units/shop.socket", "units/shop.service"} < set(files)
    files["tests/test_first.py"] = text.partition("```python\n")[2].partition("```")[0]
    files["units/echo.toml"] = (ROOT / "units" / "echo.toml").read_text()
    for name, content in files.items():
        (pytester.path / name).parent.mkdir(exist_ok=True)
        (pytester.path / name).write_text(content)
    result = pytester.runpytest_subprocess("-p", "activator.testing", "-n", "2")
    result.assert_outcomes(passed=9)


def test_failed_starts_fail_at_once(pytester: pytest.Pytester) -> None:
    """A test of what fails at its start has the service's words, and waits for nothing."""
    (pytester.path / "kvd.py").write_text("import missing\n")
    (pytester.path / "kvd.toml").write_text(
        'name = "kvd"\nhandler = "kvd:handle"\n[sockets.kvd]\nListenStream = "/run/kvd.sock"\n'
    )
    pytester.makepyfile(
        test_it="""
        import time
        import pytest

        @pytest.fixture(autouse=True)
        def quick():
            begun = time.monotonic()
            yield
            assert time.monotonic() - begun < 50  # and not the minute that all may take

        def test_client(activate):
            service = activate("kvd.toml")
            with service.connect() as client:
                assert client.recv(1) == b"x"

        def test_wait(activate):
            service = activate("kvd.toml")
            service.connect().close()
            service.wait_for("ready")

        def test_later(activate):
            service = activate("kvd.toml", options=["--now"])
            service.process.wait()
            service.connect()

        def test_again(activate):
            service = activate("kvd.toml", fail_fast=False)
            with service.connect():
                service.wait_for("started", count=2)
        """
    )
    result = pytester.runpytest_subprocess("-p", "activator.testing", "-n", "2")
    result.assert_outcomes(passed=1, failed=3)
    for error in ("ConnectionResetError", "ready did not come", "kvd.service"):
        result.stdout.fnmatch_lines([f"E *{error}*"])
    result.stdout.fnmatch_lines(["E *kvd.service: *cannot load kvd: ModuleNotFoundError*"] * 3)
