"""TLS at listening sockets: ``--tls-cert`` and ``--tls-key``.

A handshake is the client's time: it has a limit, and whatever happens in it costs the client its
own connection and nothing else. New certificates are a new context, which takes the earlier one's
place only when all of it is right; handshakes that have begun go on with the one they have.
"""

import os
import signal
import ssl
from contextlib import suppress
from socket import SHUT_RDWR, socket

from activator import notify
from activator.errors import ActivatorError
from activator.runtime.journal import ERROR
from activator.runtime.serving.before.proxied import kind
from activator.runtime.serving.draining import draining
from activator.runtime.serving.report import Rarely, line, summary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any, Self

# How long a handshake may take, and the client's word that it has seen the end, in seconds.
HANDSHAKE = 10.0
GOODBYE = 5.0
# What the process of a connection without a handshake ends with: EX_PROTOCOL of sysexits.h.
FAILED = 76
CERTIFICATE = "-----BEGIN CERTIFICATE-----"
KEY = "PRIVATE KEY-----"
READABLE = "the service's user must be able to read it: LoadCredential= in the unit passes it on"


def context(certificate: str, key: str) -> ssl.SSLContext:
    """Return a context of what files hold.

    Args:
        certificate: The file of the certificate and those between it and the root, in PEM.
        key: That of its key; empty if it is in the same.

    Raises:
        ActivatorError: They cannot be read or used, or do not belong together.
    """
    _check(certificate, CERTIFICATE, "certificate", "--tls-cert")
    option = "--tls-key" if key else "--tls-cert"
    _check(key or certificate, KEY, "private key", option)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.options |= ssl.OP_NO_RENEGOTIATION
    made.sslsocket_class = Secured

    def encrypted() -> str:
        path = key or certificate
        what = f"the key in {path} is encrypted, and nobody can be asked for its password"
        raise ActivatorError(what, f"openssl pkey -in {path} decrypts it", place=option)

    try:
        made.load_cert_chain(certificate, key or None, encrypted)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            what = f"the key in {key or certificate} is not that of {certificate}"
            raise ActivatorError(what, "both are renewed together", place=option) from None
        where = f"{certificate} and {key}" if key else certificate
        what = f"cannot use {where}: {error.reason or error}"
        raise ActivatorError(what, "they must be in PEM", place="--tls-cert") from None
    return made


def _check(path: str, mark: str, what: str, option: str) -> None:
    try:
        with open(path, encoding="ascii", errors="replace") as file:  # noqa: PTH123 - pathlib costs too much
            text = file.read()
    except OSError as error:
        hint = READABLE if isinstance(error, PermissionError) else ""
        raise ActivatorError(f"cannot read {path}: {error.strerror}", hint, place=option) from None
    if mark not in text:
        raise ActivatorError(f"there is no {what} in {path}", "it must be in PEM", place=option)


class Tls:
    """The certificates of a service; within its context, SIGHUP has them read again.

    Attributes:
        context: The newest.
        refused: Called for each connection whose handshake fails; for any thread.
        is_child: Whether this process has one connection, whose parent says what is to be said.

    Args:
        certificate: See :func:`context`.
        key: The same.

    Raises:
        ActivatorError: See :func:`context`.
    """

    def __init__(self, certificate: str, key: str) -> None:
        self._files = certificate, key
        self.context = context(certificate, key)
        self.refused: Callable[[], object] = int
        self.is_child = False
        self._rarely = Rarely()

    def __enter__(self) -> "Self":
        self._earlier = signal.signal(signal.SIGHUP, self.reload)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGHUP, self._earlier)

    def reload(self, _number: int = 0, _frame: "FrameType | None" = None) -> None:
        """Read the files again; if they are wrong, say so and go on with what was in them."""
        if draining.is_set():
            return
        notify.reloading()
        try:
            self.context = context(*self._files)
        except ActivatorError as error:
            line(f"{error}; the earlier certificate stays", ERROR)
        except Exception as error:  # noqa: BLE001 - it would come up wherever the signal finds us
            line(f"cannot read certificates again: {summary(error)}", ERROR)
        notify.ready()

    def failed(self, error: Exception, route: object) -> int:
        """Count a handshake that has failed; return the status of who has that connection alone."""
        if self.is_child:
            return FAILED
        self.refused()
        # OpenSSL's reasons are words like HTTP_REQUEST.
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        if isinstance(error, TimeoutError):
            reason = "it took too long"
        self._rarely.line(f"{route}: no TLS with a client: {str(reason).rstrip('.')}")
        return 0

    def reaped(self, route: object, status: int) -> None:
        """Count a failed handshake of a process that has ended, if that is what its status says."""
        if status == FAILED:
            self.refused()
            self._rarely.line(f"{route}: no TLS with a client")

    def secured(self, sock: socket, route: object) -> "Secured | int":
        """Return a connection with TLS, when its handshake is over, or a status if that failed.

        Args:
            sock: The blocking connection. It stays open beside the other, which has a descriptor
                of its own, so that it can be shut down and counted.
            route: Whose it is, for messages.
        """
        made: Any = socket(fileno=os.dup(sock.fileno()))
        try:
            made.settimeout(HANDSHAKE)  # in all: see the deadline in Python's _ssl.c
            made = self.context.wrap_socket(made, server_side=True, do_handshake_on_connect=False)
            made.client = getattr(sock, "client", None)
            made.do_handshake()
            made.settimeout(None)
        except OSError as error:
            made.close()
            return self.failed(error, route)
        except BaseException:
            made.close()
            raise
        return made  # type: ignore[no-any-return]  # it has become one


class Secured(kind(ssl.SSLSocket)):  # type: ignore[misc]  # it is made for any class
    """A connection with TLS; closed, it says so, and the connection ends."""

    client: "Any" = None

    def _real_close(self) -> None:
        # It is sent, and the client's own is not waited for; or the client has gone.
        with suppress(OSError):
            if self._sslobj and self.fileno() >= 0:
                self.setblocking(False)
                # Without that a client may take it for the work of an attacker.
                self._sslobj.shutdown()
        with suppress(OSError):
            self.shutdown(SHUT_RDWR)
        super()._real_close()
