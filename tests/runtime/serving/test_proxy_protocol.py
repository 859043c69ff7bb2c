"""Clients behind proxies: ``--proxy-protocol``, with headers from the tests and from HAProxy."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.serving.test_proxy_header import first, second
from tests.runtime.serving.test_tls import BEGUN, PLAIN, PROCESS, WEB, exchange
from tests.support.certificates import Certificate
from tests.support.local import free_port
from tests.support.services import (
    PATIENCE,
    SERVE,
    Service,
    activated,
    connect,
    connected,
    launched,
    read_all,
    tcp_listener,
)

FROM = ("--proxy-protocol", "local,unix")
FIRST = first("TCP4", "192.0.2.7", "198.51.100.1", 4711, 443)
CLIENT = ["192.0.2.7", 4711]
SECOND = second(
    0x21, 0x21, bytes.fromhex("20010db8" + "00" * 11 + "07") * 2 + b"\x12\x67\x01\xbb" + b"\4\0\1x"
)
CLIENT6 = ["2001:db8::7", 4711, 0, 0]
ASYNC = {
    "streams": (f"{BEGUN}:streams",),
    "protocol": (f"{BEGUN}:Protocol",),
    "process": (*PROCESS, f"{BEGUN}:streams"),
}
ECHOES = {**ASYNC, **PLAIN}
echoes = pytest.mark.parametrize("words", ECHOES.values(), ids=ECHOES)
everything = pytest.mark.parametrize(
    "words", [*ECHOES.values(), *WEB.values()], ids=[*ECHOES, *WEB]
)


@contextmanager
def serving(*words: str) -> Iterator[tuple[Service, Any]]:
    """Serve on a port; give the service, ready, and the address."""
    with tcp_listener() as listener, launched((*SERVE, *words), [listener]) as service:
        yield service.ready(), listener.getsockname()


def through(address: Any, header: bytes) -> dict[str, Any]:
    """Connect as a proxy that sends a header, and return what the handler tells."""
    with connect(address) as client:
        client.sendall(header)
        return exchange(client)


@echoes
@pytest.mark.parametrize(
    ("header", "expected"), [(FIRST, CLIENT), (SECOND, CLIENT6)], ids=["v1", "v2"]
)
def test_client(words: Sequence[str], header: bytes, expected: list[Any]) -> None:
    """Every kind of handler knows the client that the proxy names, and gets all that it sends."""
    with serving(*FROM, *words) as (service, address):
        told = through(address, header)
        assert expected == told["peer"]
        if PROCESS[0] in words:
            assert [expected[0], str(expected[1])] == told["remote"]
        with connect(address) as client:
            for byte in header:  # no two of them at once
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client.sendall(bytes([byte]))
            assert expected == exchange(client)["peer"]
        assert 0 == service.end()
        assert "" == service.stderr


@echoes
@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", second(0x20, 0, b"")], ids=["v1", "v2"])
def test_own_connections_of_a_proxy(words: Sequence[str], header: bytes) -> None:
    """A proxy that speaks for itself is the client."""
    with serving(*FROM, *words) as (_, address), connect(address) as client:
        client.sendall(header)
        assert list(client.getsockname()) == exchange(client)["peer"]


@everything
@pytest.mark.parametrize(
    "header", [b"GET / HTTP/1.1\r\n\r\n", b"", b"PROXY TCP4", first("TCP4", 1, 2, 3, 4)]
)
def test_no_header(words: Sequence[str], header: bytes) -> None:
    """Without a header, or with half of one, a connection is closed, with one line for many."""
    with serving(*FROM, *words) as (service, address):
        for _ in range(3):
            with connect(address) as client:
                with suppress(OSError):  # it may be closed already
                    client.sendall(header)
                    client.shutdown(socket.SHUT_WR)
                assert b"" == read_all(client)
        assert 0 == service.end()
        assert 1 == len(service.stderr.splitlines()), service.stderr
        assert service.stderr.startswith("closed a connection of a proxy: ")


@everything
def test_strangers(words: Sequence[str]) -> None:
    """Whoever is no proxy that is trusted is sent away, whatever it says."""
    with serving("--proxy-protocol", "192.0.2.0/24", *words) as (service, address):
        with connect(address) as client:
            client.sendall(FIRST)
            assert b"" == read_all(client)
        assert 0 == service.end()
        assert "127.0.0.1 is not a trusted proxy" in service.stderr


def test_headers_end() -> None:
    """A proxy that says nothing is sent away, and meanwhile nobody waits for it."""
    for words in (ECHOES["streams"], ECHOES["plain-process"], ECHOES["threads"]):
        with serving(*FROM, *words) as (service, address), connect(address) as client:
            client.sendall(FIRST[:5])
            assert CLIENT == through(address, FIRST)["peer"]
            assert b"" == read_all(client)
            assert "its header did not come in time" in service.stderr


@echoes
def test_limits_by_source(words: Sequence[str]) -> None:
    """--max-per-source counts the clients, not their proxy."""
    with (
        serving(*FROM, "--max-per-source", "1", *words) as (_, address),
        connect(address) as client,
    ):
        client.sendall(FIRST)
        exchange(client)
        with connect(address) as second_one:
            second_one.sendall(FIRST)
            assert b"" == read_all(second_one)
        other = first("TCP4", "192.0.2.8", "198.51.100.1", 4711, 443)
        assert ["192.0.2.8", 4711] == through(address, other)["peer"]


@pytest.mark.parametrize("options", [(), ("--limit", "nofile=64")])
def test_programs(options: Sequence[str]) -> None:
    """A program has its client's address in its environment, and its input untouched."""
    code = "import os; print(os.environ['REMOTE_ADDR'], os.environ['REMOTE_PORT'], input())"
    words = (*FROM, *PROCESS, *options, "--inetd", sys.executable, "-c", code)
    with serving(*words) as (_, address), connect(address) as client:
        client.sendall(FIRST + b"hello\n")
        assert b"192.0.2.7 4711 hello\n" == read_all(client)


@pytest.mark.parametrize("handler", ["streams", "Protocol", "plain", "Request"])
def test_one_connection(handler: str) -> None:
    """With Accept=yes, REMOTE_ADDR= is the client's too."""
    port = free_port()
    command = (*SERVE, *FROM, f"{BEGUN}:{handler}")
    with activated(command, [f"127.0.0.1:{port}"], "--accept"):
        told = through(("127.0.0.1", port), FIRST)
        assert CLIENT == told["peer"]
        assert ["192.0.2.7", "4711"] == told["remote"]


@pytest.mark.parametrize("words", WEB.values(), ids=WEB)
@pytest.mark.parametrize("secure", [False, True])
def test_curl(words: Sequence[str], secure: bool, tmp_path: Path) -> None:  # noqa: FBT001
    """Curl's own header is understood; with TLS it comes before the handshake."""
    certificate = Certificate(tmp_path) if secure else None
    options = certificate.options if certificate else ()
    with serving(*FROM, *options, *words) as (service, address):
        scheme = "https" if secure else "http"
        done = subprocess.run(
            [
                "curl",
                "-sS",
                "--max-time",
                str(PATIENCE),
                "--haproxy-protocol",
                "--interface",
                "127.0.0.9",
            ]
            + (["--cacert", str(certificate.chain)] if certificate else [])
            + [f"{scheme}://localhost:{address[1]}/"],
            capture_output=True,
            check=True,
        )
        told = json.loads(done.stdout)
        assert "127.0.0.9" == told["peer"][0]
        assert secure == told["secure"]
        assert 0 == service.end()
        assert "" == service.stderr


@echoes
def test_tls(words: Sequence[str], tmp_path: Path) -> None:
    """The header comes before the handshake, in one piece with it or not."""
    certificate = Certificate(tmp_path)
    with serving(*FROM, *certificate.options, *words) as (service, address):
        with connect(address) as raw:
            raw.sendall(SECOND)
            with certificate.context().wrap_socket(raw, server_hostname="localhost") as client:
                told = exchange(client)
        assert CLIENT6 == told["peer"]
        assert told["secure"]
        assert 0 == service.end()
        assert "" == service.stderr


@pytest.mark.parametrize("words", [*ECHOES.values(), WEB["asgi"]], ids=[*ECHOES, "asgi"])
def test_unix(words: Sequence[str], tmp_path: Path) -> None:
    """A Unix socket's clients are trusted if the option says so; else it is served as it is."""
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener, tcp_listener() as other:
        listener.bind(path)
        listener.listen()
        for option, header in (("unix", FIRST), ("local", b"")):
            with launched((*SERVE, "--proxy-protocol", option, *words), [listener, other]) as it:
                it.ready()
                with connected(path, socket.AF_UNIX) as client:
                    client.sendall(header)
                    if "--asgi" in words:
                        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                        told = json.loads(read_all(client).splitlines()[-1])
                    else:
                        told = exchange(client)
                assert not header or CLIENT == told["peer"]
                assert header or told["peer"] in ("", None, ["", 0])


def test_ipv4_at_an_ipv6_socket() -> None:
    """A socket for both gives IPv4 clients as the kernel would."""
    if not os.path.exists("/proc/net/if_inet6"):  # noqa: PTH110 - no file of ours
        pytest.skip("there is no IPv6 here")
    with (
        socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listener,
        launched((*SERVE, *FROM, *PROCESS, f"{BEGUN}:plain"), [listener]) as service,
    ):
        service.ready()
        told = through(("127.0.0.1", listener.getsockname()[1]), FIRST)
        assert ["::ffff:192.0.2.7", 4711, 0, 0] == told["peer"]
        assert ["192.0.2.7", "4711"] == told["remote"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--proxy-protocol", "here"), "--proxy-protocol: 'here' is not a network; write "),
        (("--proxy-protocol", "local,"), "--proxy-protocol: '' is not a network; write "),
        (("--proxy-protocol", "192.0.2.1/24"), "--proxy-protocol: 192.0.2.1/24 has host bits set"),
        (("--proxy-protocol", "unix"), "--proxy-protocol: no proxy can come from unix to "),
        ((*FROM, "--loop", "uvloop"), "--loop: uvloop cannot tell handlers what a proxy tells; "),
    ],
)
def test_wrong_usage(words: Sequence[str], message: str) -> None:
    """What makes no sense is told in one line."""
    with (
        tcp_listener() as listener,
        launched((*SERVE, *words, f"{BEGUN}:streams"), [listener]) as service,
    ):
        assert service.wait() in (1, 2)
        assert 1 == len(service.stderr.splitlines()), service.stderr
        assert service.stderr.startswith(message)


HAPROXY = """
global
defaults
    mode tcp
    timeout connect 60s
    timeout client 60s
    timeout server 60s
frontend clients
    bind 127.0.0.1:{port}
    default_backend service
backend service
    # A check that takes longer than inter has failed, as may many on a busy machine.
    server it {address} {send} check check-send-proxy inter 100ms fall 100000
"""


@pytest.mark.skipif(not shutil.which("haproxy"), reason="haproxy is not installed")
@pytest.mark.parametrize("send", ["send-proxy", "send-proxy-v2", "send-proxy-v2-ssl-cn"])
@everything
def test_haproxy(words: Sequence[str], send: str, tmp_path: Path) -> None:
    """HAProxy's headers are understood, those of its checks too."""
    port = free_port()
    with serving(*FROM, *words) as (service, address):
        file = tmp_path / "haproxy.cfg"
        host, backend = address
        file.write_text(HAPROXY.format(port=port, address=f"{host}:{backend}", send=send))
        with subprocess.Popen(["haproxy", "-db", "-f", file], stderr=subprocess.DEVNULL) as proxy:
            try:
                while True:
                    try:
                        client = socket.create_connection(
                            ("127.0.0.1", port), PATIENCE, ("127.0.0.8", 0)
                        )
                        break
                    except ConnectionRefusedError:
                        assert proxy.poll() is None
                        time.sleep(0.02)
                with client:
                    if words[0] in ("--asgi", "--wsgi"):
                        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                        told = json.loads(read_all(client).splitlines()[-1])
                    else:
                        told = exchange(client)
                    assert "127.0.0.8" == told["peer"][0]
                # First: a proxy that ends may do so in the middle of a check.
                assert 0 == service.end()
            finally:
                proxy.terminate()
        assert "" == service.stderr
