"""TLS under the real systemd: keys that root alone may read, and renewed certificates."""

import ssl
from pathlib import Path

import pytest

from tests.boxes.box import Box
from tests.runtime.test_activation_boxes import installed
from tests.support.certificates import Certificate

SPEC = """\
name = "safe"
handler = "activator.examples.echo:echo"
tls = { cert = "/etc/safe/chain.pem", key = "/etc/safe/key.pem" }
systemd = VERSION
KEYS
[sockets.safe]
ListenStream = "127.0.0.1:7443"
"""
# What a client is shown.
SHOWN = "import ssl; print(ssl.get_server_certificate(('127.0.0.1', 7443)))"


def place(box: Box, certificate: Certificate) -> str:
    """Put a certificate where root alone may read its key; return it as clients see it."""
    box.write("/etc/safe/chain.pem", certificate.chain.read_bytes())
    box.write("/etc/safe/key.pem", certificate.key.read_bytes(), 0o600)
    return ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(certificate.chain.read_text()))


def shown(box: Box) -> str:
    """Return the certificate that a client is shown."""
    return box.run(box.python, "-c", SHOWN).stdout.strip() + "\n"


@pytest.mark.parametrize("keys", ["", "hand-over = true", "isolation = 'process'"])
def test_renewed(box: Box, keys: str, tmp_path: Path) -> None:
    """From systemd 260 on, a reload shows the renewed certificate; before, a restart does."""
    mode = "mode = 'per-connection'\n" if "isolation" in keys else ""
    text = SPEC.replace("VERSION", str(min(box.version, 262))).replace("KEYS", mode + keys)
    old, new = Certificate(tmp_path / "old"), Certificate(tmp_path / "new")
    expected = place(box, old)
    with installed(box, text):
        box.systemctl("start", "safe.socket")
        assert expected.strip() == shown(box).strip(), box.journal("safe.service")
        main = box.show("safe.service", "MainPID")
        expected = place(box, new)
        if box.version >= 260:
            box.systemctl("reload", "safe.service")
            assert main == box.show("safe.service", "MainPID")
        else:
            box.systemctl("restart", "safe.service")
        assert expected.strip() == shown(box).strip(), box.journal("safe.service")


def test_no_certificate(box: Box) -> None:
    """Without it the service fails, and says so."""
    box.run("rm", "-rf", "/etc/safe")
    text = SPEC.replace("VERSION", "252").replace("KEYS", "")
    with installed(box, text + "[service]\nRestart = 'no'\n"):
        box.systemctl("start", "safe.service", check=False)
        assert "failed" == box.show("safe.service", "ActiveState")
        assert 0 != box.run(box.python, "-c", SHOWN, check=False).returncode
