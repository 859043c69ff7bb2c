"""TLS at listening sockets: ``--tls-cert`` and ``--tls-key``, and the clients that try it."""

import json
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect as open_websocket

from tests.support.certificates import Certificate, openssl
from tests.support.local import free_port
from tests.support.services import (
    LOOPS,
    PATIENCE,
    SERVE,
    Service,
    activated,
    connect,
    launched,
    read_all,
    reset,
    tcp_listener,
)

BEGUN = "tests.support.begun"
PROCESS = ("--isolation", "process")
# What serves, by its name: its words, without those of the event loop.
ASYNC = {
    "streams": (f"{BEGUN}:streams",),
    "protocol": (f"{BEGUN}:Protocol",),
    "process": (*PROCESS, f"{BEGUN}:streams"),
}
PLAIN = {
    "threads": (f"{BEGUN}:plain",),
    "socketserver": (f"{BEGUN}:Request",),
    "plain-process": (*PROCESS, f"{BEGUN}:plain"),
}
WEB = {"asgi": ("--asgi", f"{BEGUN}:asgi"), "wsgi": ("--wsgi", f"{BEGUN}:wsgi")}


def with_loops(kinds: Mapping[str, tuple[str, ...]]) -> list[Any]:
    """Return each of them with each loop, as a test's parameters."""
    return [
        pytest.param(("--loop", *loop.values, *words), id=f"{name}-{loop.id}", marks=loop.marks)
        for name, words in kinds.items()
        for loop in LOOPS
    ]


WEB_KINDS = with_loops(WEB)
ECHO_KINDS = [*with_loops(ASYNC), *(pytest.param(words, id=name) for name, words in PLAIN.items())]
echoes = pytest.mark.parametrize("words", ECHO_KINDS)
webs = pytest.mark.parametrize("words", WEB_KINDS)
everything = pytest.mark.parametrize("words", [*ECHO_KINDS, *WEB_KINDS])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Make a certificate that no test changes."""
    return Certificate(tmp_path_factory.mktemp("certificate"))


@contextmanager
def serving(*words: str) -> Iterator[tuple[Service, Any]]:
    """Serve on a port; give the service, ready, and the address."""
    with tcp_listener() as listener, launched((*SERVE, *words), [listener]) as service:
        yield service.ready(), listener.getsockname()


def exchange(client: socket.socket, text: bytes = b"over there") -> dict[str, Any]:
    """Read what a handler tells, have a text sent back, and return what was told."""
    with client.makefile("rb") as stream:
        told = json.loads(stream.readline())
        client.sendall(text)
        assert text == stream.read(len(text))
    return told  # type: ignore[no-any-return]


@echoes
def test_echo(words: Sequence[str], certificate: Certificate) -> None:
    """Every kind of handler sees plain text, and knows its client and that there is TLS."""
    with serving(*certificate.options, *words) as (service, address):
        with certificate.connected(address) as client:
            told = exchange(client, bytes(range(256)) * 4096)
            assert list(client.getsockname()) == told["peer"]
            assert told["secure"]
            assert client.version() in ("TLSv1.2", "TLSv1.3")
        assert 0 == service.end()
        assert "" == service.stderr


@pytest.mark.parametrize("handler", ["streams", "Protocol", "plain", "Request"])
def test_one_connection(handler: str, certificate: Certificate) -> None:
    """So does the one of a connection that systemd has accepted."""
    command = (*SERVE, *certificate.options, f"{BEGUN}:{handler}")
    port = free_port()
    with (
        activated(command, [f"127.0.0.1:{port}"], "--accept"),
        certificate.connected(("127.0.0.1", port)) as client,
    ):
        assert exchange(client)["secure"]


@webs
def test_web(words: Sequence[str], certificate: Certificate) -> None:
    """Curl speaks HTTPS, twice on a connection, with bodies that are larger than any buffer."""
    body = b"x" * 300_000
    with serving(*certificate.options, *words) as (service, address):
        url = f"https://localhost:{address[1]}/"
        done = subprocess.run(
            [
                *("curl", "-sS", "--max-time", str(PATIENCE), "--cacert", str(certificate.chain)),
                *("--data-binary", "@-", url, url),
            ],
            input=body,
            capture_output=True,
            check=True,
        )
        told = json.loads(done.stdout.partition(b"\n")[0])
        assert told["secure"]
        assert "127.0.0.1" == told["peer"][0]
        assert 2 * len(body) == done.stdout.count(b"x")
        assert 0 == service.end()
        assert "" == service.stderr


def test_websocket(certificate: Certificate) -> None:
    """A WebSocket is spoken over TLS too."""
    with (
        serving(*certificate.options, "--asgi", "activator.examples.web_asgi:app") as (_, address),
        open_websocket(
            f"wss://localhost:{address[1]}/echo", ssl=certificate.context(), open_timeout=PATIENCE
        ) as client,
    ):
        client.send("hello")
        assert "hello" == client.recv(timeout=PATIENCE)


@echoes
def test_openssl_is_told_of_the_end(words: Sequence[str], certificate: Certificate) -> None:
    """Openssl's own client gets its answer, and no torn end."""
    with serving(*certificate.options, *words) as (_, address):
        done = subprocess.run(
            [
                *("openssl", "s_client", "-quiet", "-verify_return_error", "-no_ign_eof"),
                *("-CAfile", str(certificate.chain), "-connect", f"127.0.0.1:{address[1]}"),
            ],
            input=b"Q\n",
            capture_output=True,
            check=True,
            timeout=PATIENCE,
        )
        assert b"unexpected eof" not in done.stderr


@pytest.mark.parametrize("handler", ["a_hold", "p_hold"])
@pytest.mark.parametrize("options", [("--loop", "asyncio"), PROCESS])
def test_the_end_is_said(options: Sequence[str], handler: str, certificate: Certificate) -> None:
    """A handler that returns ends TLS as it is to be ended, however little its client has read."""
    words = (*certificate.options, *options, f"tests.support.handlers:{handler}")
    with serving(*words) as (_, address), certificate.connected(address) as client:
        client.sendall(b"now\n")
        text = b"".join(iter(lambda: client.recv(65536), b""))  # else it raises SSLEOFError
        assert text.startswith(b"hi\n")
        assert text.endswith(b" now\n")


def _silent(_: Any) -> None:
    """Say nothing, and leave."""


def _plain(client: socket.socket) -> None:
    client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    read_all(client)


def _half(client: socket.socket) -> None:
    """Begin a handshake, and reset."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    begun = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        begun.do_handshake()
    client.sendall(outgoing.read())
    client.recv(1)
    reset(client)


def _torn(client: socket.socket) -> None:
    """Send the first half of a client's first message, and end."""
    client.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
    client.shutdown(socket.SHUT_WR)
    read_all(client)


def _noise(client: socket.socket) -> None:
    """Send what is no record, when all has begun well."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    raw = socket.socket(fileno=client.dup().detach())
    raw.settimeout(PATIENCE)
    with context.wrap_socket(client.dup(), suppress_ragged_eofs=True) as secured:
        secured.settimeout(PATIENCE)
        secured.setblocking(True)
        with raw:
            raw.sendall(b"\x17\x03\x03\x00\x20" + b"\0" * 32)
            try:
                while secured.recv(65536):
                    pass
            except OSError:
                pass


@everything
def test_bad_clients(words: Sequence[str], certificate: Certificate) -> None:
    """Whatever a client does costs it its own connection, and one line at most."""
    with serving(*certificate.options, *words) as (service, address):
        for client in (_silent, _plain, _half, _torn, _noise):
            with connect(address) as sock:
                client(sock)
        assert certificate.seen(address)
        assert 0 == service.end()
        lines = service.stderr.splitlines()
        assert 1 == len(lines), service.stderr
        assert "no TLS with a client" in lines[0]


def test_handshakes_end(certificate: Certificate) -> None:
    """A client that never begins is sent away, and meanwhile nobody waits for it."""
    kinds = [ASYNC["streams"], ASYNC["protocol"], *PLAIN.values(), *WEB.values()]
    with ExitStack() as stack:
        quiet = []
        for words in kinds:
            _, address = stack.enter_context(serving(*certificate.options, *words))
            quiet.append(stack.enter_context(connect(address)))
            assert certificate.seen(address)
        for client in quiet:
            assert b"" == read_all(client)


@pytest.mark.parametrize("words", [ASYNC["streams"], ASYNC["protocol"], PLAIN["threads"]])
def test_drain(words: Sequence[str], certificate: Certificate) -> None:
    """At the end of the drain, connections with TLS are ended like others."""
    with serving(*certificate.options, "--drain", "0.1", *words) as (service, address):
        with certificate.connected(address) as client, connect(address):
            exchange(client)
            assert 0 == service.end()
            with suppress(OSError):  # torn, or reset
                assert b"" == client.recv(1)
        assert "Traceback" not in service.stderr


def test_old_versions(certificate: Certificate) -> None:
    """TLS 1.1 is spoken with nobody."""
    with serving(*certificate.options, *PLAIN["threads"]) as (_, address):
        done = subprocess.run(
            [
                *("openssl", "s_client", "-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"),
                *("-connect", f"127.0.0.1:{address[1]}"),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        assert 0 != done.returncode
        assert b"alert protocol version" in done.stderr


@everything
def test_reload(words: Sequence[str], tmp_path: Path) -> None:
    """SIGHUP has new certificates shown; wrong ones leave the earlier, with one line."""
    old = Certificate(tmp_path)
    with serving(*old.options, *words) as (service, address):
        assert old.seen(address)
        # Another path of the same files: the first one's are kept, to compare with.
        before = Certificate(tmp_path / "before")
        before.chain.write_bytes(old.chain.read_bytes())
        new = Certificate(tmp_path)
        service.process.send_signal(signal.SIGHUP)
        service.notifications.await_message("READY=1")
        assert new.seen(address)
        assert not before.seen(address)
        new.key.write_text("no key")
        service.process.send_signal(signal.SIGHUP)
        service.notifications.await_message("READY=1")
        assert new.seen(address)
        assert 0 == service.end()
        lines = [line for line in service.stderr.splitlines() if "no TLS" not in line]
        assert 1 == len(lines), service.stderr
        assert f"there is no private key in {new.key}" in lines[0]
        assert "the earlier certificate stays" in lines[0]


def test_hand_over(tmp_path: Path) -> None:
    """So has a hand-over; one with wrong certificates is undone."""
    old = Certificate(tmp_path)
    with serving(*old.options, "--workers", "1", *ASYNC["streams"]) as (service, address):
        assert old.seen(address)
        new = Certificate(tmp_path)
        service.process.send_signal(signal.SIGHUP)
        service.notifications.await_message("READY=1")
        assert new.seen(address)
        new.key.unlink()
        service.process.send_signal(signal.SIGHUP)
        while "the last reload failed" not in service.notifications.receive():
            pass
        assert new.seen(address)
        assert f"cannot read {new.key}: No such file or directory" in service.stderr


def test_one_file(certificate: Certificate, tmp_path: Path) -> None:
    """A certificate and its key may be in one file."""
    both = tmp_path / "both.pem"
    both.write_bytes(certificate.key.read_bytes() + certificate.chain.read_bytes())
    with serving("--tls-cert", str(both), *PLAIN["threads"]) as (_, address):
        assert certificate.seen(address)


def encrypted(certificate: Certificate, folder: Path) -> Path:
    """Return its key, encrypted."""
    path = folder / "encrypted.pem"
    words = ("-in", str(certificate.key), "-out", str(path), "-aes256", "-passout", "pass:x")
    openssl("pkey", *words)
    return path


@pytest.mark.parametrize(
    ("chain", "key", "message"),
    [
        ("nowhere", "key", "--tls-cert: cannot read nowhere: No such file or directory"),
        ("chain", "nowhere", "--tls-key: cannot read nowhere: No such file or directory"),
        ("chain", "/", "--tls-key: cannot read /: Is a directory"),
        ("key", "key", "--tls-cert: there is no certificate in {key}; it must be in PEM"),
        ("chain", "chain", "--tls-key: there is no private key in {chain}; it must be in PEM"),
        ("chain", "other", "--tls-key: the key in {other} is not that of {chain}; "),
        ("chain", "encrypted", "--tls-key: the key in {encrypted} is encrypted, and "),
        ("chain", "", "--tls-cert: there is no private key in {chain}; it must be in PEM"),
        ("torn", "key", "--tls-cert: cannot use {torn} and {key}: "),
    ],
)
def test_wrong_files(
    chain: str, key: str, message: str, certificate: Certificate, tmp_path: Path
) -> None:
    """What cannot be used is told in one line, and nothing is served."""
    torn = tmp_path / "torn.pem"
    torn.write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    files = {
        "chain": certificate.chain,
        "key": certificate.key,
        "other": Certificate(tmp_path).key,
        "encrypted": encrypted(certificate, tmp_path),
        "torn": torn,
    }
    words = ["--tls-cert", str(files.get(chain, chain))]
    words += ["--tls-key", str(files.get(key, key))] if key else []
    with (
        tcp_listener() as listener,
        launched((*SERVE, *words, *PLAIN["threads"]), [listener]) as service,
    ):
        assert 1 == service.wait()
        assert 1 == len(service.stderr.splitlines()), service.stderr
        assert service.stderr.startswith(message.format(**files))


def test_wrong_usage(certificate: Certificate, tmp_path: Path) -> None:
    """What TLS is not for is told, too."""
    cases = [
        (["--tls-key", str(certificate.key), *PLAIN["threads"]], "--tls-key: it is of no use "),
        ([*certificate.options, *PROCESS, "--inetd", "cat"], "--tls-cert: a program cannot "),
        ([*certificate.options, *PLAIN["threads"]], "--tls-cert: there is no TCP socket; "),
    ]
    for words, message in cases:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / words[1].replace("/", "_")[-20:]))
            listener.listen()
            with launched((*SERVE, *words), [listener]) as service:
                assert 2 == service.wait()
                assert 1 == len(service.stderr.splitlines()), service.stderr
                assert service.stderr.startswith(message)
            Path(listener.getsockname()).unlink()


def test_unix_sockets_stay_plain(certificate: Certificate, tmp_path: Path) -> None:
    """Beside a TCP socket, a Unix socket is served as it is."""
    with (
        tcp_listener() as listener,
        socket.socket(socket.AF_UNIX) as local,
        socket.socket(socket.AF_UNIX) as client,
    ):
        local.bind(str(tmp_path / "local"))
        local.listen()
        words = (*SERVE, *certificate.options, *PLAIN["threads"])
        with launched(words, [listener, local]) as service:
            service.ready()
            client.connect(local.getsockname())
            assert not exchange(client)["secure"]
            assert certificate.seen(listener.getsockname())
