"""Certificates for the tests, made by the openssl command."""

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.services import PATIENCE


class Certificate:
    """A certificate for localhost that is its own authority, and its key.

    Attributes:
        chain: The file of the certificate.
        key: That of the key.
        options: What has a service use them.
    """

    def __init__(self, folder: Path, name: str = "localhost") -> None:
        if not shutil.which("openssl"):
            pytest.skip("there is no openssl here")
        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.chain, self.key = folder / "chain.pem", folder / "key.pem"
        self.options = ("--tls-cert", str(self.chain), "--tls-key", str(self.key))
        openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", str(self.key), "-out", str(self.chain), "-days", "2"),
            *("-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
        )

    def context(self) -> ssl.SSLContext:
        """Return a client's context that trusts it."""
        return ssl.create_default_context(cafile=self.chain)

    @contextmanager
    def connected(self, address: Any) -> Iterator[ssl.SSLSocket]:
        """Connect with TLS; no operation waits forever, and a torn end is an error."""
        with (
            socket.create_connection(address, PATIENCE) as sock,
            self.context().wrap_socket(
                sock, server_hostname="localhost", suppress_ragged_eofs=False
            ) as secured,
        ):
            yield secured

    def seen(self, address: Any) -> bool:
        """Tell whether this is what a server shows."""
        try:
            with self.connected(address):
                return True
        except ssl.SSLCertVerificationError:
            return False


def openssl(*words: str) -> str:
    """Run openssl, and return what it writes."""
    done = subprocess.run(["openssl", *words], capture_output=True, check=True, text=True)
    return done.stdout
