"""The examples of what is no plain stream, each asked by a client that nobody here wrote."""

import os
import select
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from activator.testing.activation import Activate, Activated
from tests.support.services import PATIENCE, ROOT

Run = subprocess.CompletedProcess[str]


@pytest.fixture
def example(request: pytest.FixtureRequest) -> Iterator[Activated]:
    """Activate the example that the test is about."""
    with Activate() as activate:
        yield activate(ROOT / f"units/{request.param}.toml")


def about(name: str) -> pytest.MarkDecorator:
    """Say which example a test is about."""
    return pytest.mark.parametrize("example", [name], indirect=True, ids=[name])


def run(*words: str, text: str = "") -> Run:
    """Run a client with some input; skip the test if it is not there."""
    if not shutil.which(words[0]):
        pytest.skip(f"{words[0]} is not installed")
    return subprocess.run(
        words, input=text, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def dig(example: Activated, *words: str, tcp: bool = False) -> str:
    """Ask the DNS example."""
    port = example.address(f"dns-{'tcp' if tcp else 'udp'}.socket").port
    by = "+tcp" if tcp else "+ignore"  # without it, dig asks the same port by TCP
    options = (by, "+tries=1", f"+time={PATIENCE:.0f}")
    return run("dig", "@127.0.0.1", "-p", str(port), *options, *words).stdout


@about("dns")
def test_dns(example: Activated) -> None:
    """Dig gets the same answers over UDP and TCP, each from the handler of its name."""
    for tcp in (False, True):
        assert "192.0.2.7\n" == dig(example, "+short", "printer.home.example", tcp=tcp)
        assert "2001:db8::7\n" == dig(example, "+short", "printer.home.example", "AAAA", tcp=tcp)
        assert "status: NXDOMAIN" in dig(example, "nothing.home.example", tcp=tcp)
        assert "status: REFUSED" in dig(example, "example.org", tcp=tcp)
        nodata = dig(example, "printer.home.example", "TXT", tcp=tcp)
        assert "status: NOERROR" in nodata
        assert "ANSWER: 0" in nodata
    assert 1 == len(example.pids)


@about("dns")
def test_dns_answer_that_is_too_long_for_udp(example: Activated) -> None:
    """It is cut and says so, and dig asks for it over TCP."""
    cut = dig(example, "+bufsize=1232", "long.home.example", "TXT")
    assert " tc" in cut.partition("flags:")[2].partition(";")[0]
    whole = dig(example, "long.home.example", "TXT", tcp=True)
    assert "ANSWER: 1," in whole
    assert 8 == whole.count('"' + "x" * 250)


@about("dns")
def test_dns_nonsense(example: Activated) -> None:
    """What is no question gets no answer, and the service goes on."""
    udp, tcp = (example.address(f"dns-{kind}.socket").port for kind in ("udp", "tcp"))
    run("socat", "-t0.1", "-", f"UDP:127.0.0.1:{udp}", text="nonsense")
    assert "" == run("socat", "-t1", "-", f"TCP:127.0.0.1:{tcp}", text="\0\3abc").stdout
    assert "192.0.2.7\n" == dig(example, "+short", "printer.home.example")
    assert [] == example.logs


def answer(target: str, text: str) -> str:
    """Send a datagram with socat, and return the first line that comes."""
    if not shutil.which("socat"):
        pytest.skip("socat is not installed")
    with subprocess.Popen(
        ["socat", "-", target], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as client:
        assert client.stdin
        assert client.stdout
        client.stdin.write(text.encode())
        ready, _, _ = select.select([client.stdout], [], [], PATIENCE)
        line = client.stdout.readline().decode() if ready else ""
        client.kill()  # it would wait for more
        return line


@about("multicast")
def test_multicast(example: Activated) -> None:
    """Once the service has joined, a question to the group starts it, and is answered."""
    group, alone = (where.text for where in example.addresses)
    assert group.startswith("239.255.77.77:")
    name = f"{os.uname().nodename}\n"
    target = f"UDP4-DATAGRAM:{group},ip-multicast-if=127.0.0.1,bind=127.0.0.1"
    assert name == answer(f"UDP4:{alone}", "who is there?\n")
    assert name == answer(target, "who is there?\n")
    os.kill(example.wait_for("started")["pid"], signal.SIGTERM)
    example.wait_for("ended")
    assert name == answer(target, "who is there?\n")
    assert "" == run("socat", "-t0.2", "-", target, text="anybody?\n").stdout
    assert (2, []) == (len(example.pids), example.logs)


def note(example: Activated, text: str, *wrapper: str) -> str:
    """Say something to the example, maybe as another user."""
    where = example.addresses[0].text
    target = f"ABSTRACT-CONNECT:{where[1:]}" if where[0] == "@" else f"UNIX-CONNECT:{where}"
    return run(*wrapper, "socat", f"-t{PATIENCE}", "-", target, text=text).stdout


@about("notes")
def test_notes(example: Activated) -> None:
    """Who runs the service may write, and everybody may read."""
    assert "\n" == note(example, "read\n")
    assert "written\nbuy milk\n" == note(example, "write buy milk\nread\n")
    assert "error: read, or write TEXT\n" == note(example, "eat\n")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be others")
def test_notes_of_others(tmp_path: Path) -> None:
    """Others may write if they are in the group, as the first or any other."""
    spec = (ROOT / "units/notes.toml").read_text()
    # A name that needs no path, which others could not reach.
    (tmp_path / "notes.toml").write_text(spec.replace("/run/", f"@activator-{os.getpid()}-"))
    with Activate() as activate:
        example = activate(tmp_path / "notes.toml", environment={"WRITERS": "4242"})
        other = ("setpriv", "--reuid=65534", "--clear-groups", "--regid=65534")
        member = (*other[:-2], "--groups=7,4242", "--regid=65534")
        chief = (*other[:-1], "--regid=4242")
        assert "error: user 65534 may not write\n\n" == note(example, "write x\nread\n", *other)
        assert "written\nx\n" == note(example, "write x\nread\n", *member)
        assert "written\ny\n" == note(example, "write y\nread\n", *chief)
        assert "y\n" == note(example, "read\n", *other)


@about("sink")
def test_sink(example: Activated) -> None:
    """What shells write into the FIFO is written down, over the end of each, and the service's."""
    path = example.addresses[0].text
    for number in range(3):
        run("sh", "-c", f"echo hello {number} >{path}")
    example.wait_for("output", "hello 2")
    assert [f"hello {number}" for number in range(3)] == example.logs
    os.kill(example.wait_for("started")["pid"], signal.SIGTERM)
    example.wait_for("ended")
    run("sh", "-c", f"echo once more >{path}")
    example.wait_for("output", "once more")
    assert 2 == len(example.pids)


def test_sink_of_its_own_file(tmp_path: Path) -> None:
    """With LOGS_DIRECTORY the lines go to a file there."""
    with Activate() as activate:
        example = activate(ROOT / "units/sink.toml", environment={"LOGS_DIRECTORY": str(tmp_path)})
        run("sh", "-c", f"echo hello >{example.addresses[0].text}")
        log = tmp_path / "sink.log"
        while not log.exists() or not log.read_text():
            assert example.process.poll() is None
        assert "hello\n" == log.read_text()


@about("sums")
def test_sums(example: Activated) -> None:
    """Each packet is a request, however fast they come."""
    target = f"UNIX-CONNECT:{example.addresses[0].text},type=5"
    assert "6\n" == answer(target, "[1, 2, 3]")
    assert answer(target, "[1, {}]").startswith("error: ")
    assert answer(target, "what?").startswith("error: ")
    with example.connect() as client:
        for number in range(20):
            client.sendall(b"[1, %d]" % number)
        assert [b"%d\n" % (number + 1) for number in range(20)] == [
            client.recv(100) for _ in range(20)
        ]
