"""Services whose workers do not start: doctor tells the cause, as the worker said it."""

import json

import pytest

from tests.boxes.box import Box
from tests.runtime.test_activation_boxes import installed, socat
from tests.support.doctor import found

CODE = "/srv/visits/visits.py"
GOOD = "async def handle(reader, writer):\n    writer.write(b'served')\n"
BAD = f"import os\nos.environ['NOSUCH']\n{GOOD}"
CAUSE = f"{CODE}:2: cannot load visits: KeyError: 'NOSUCH'"
SPEC = """\
name = "visits"
app-dir = "/srv/visits"
handler = "visits:handle"
systemd = VERSION
KEYS
[sockets.visits]
ListenStream = "/run/visits.sock"
"""
CLIENT = "UNIX-CONNECT:/run/visits.sock"


@pytest.mark.parametrize("keys", ["hand-over = true", "workers = 2"])
def test_the_cause_is_told(keys: str, box: Box) -> None:
    """Of a start and of a reload that fail, the worker's own line is the evidence."""
    box.write(CODE, BAD)
    with installed(box, SPEC.replace("KEYS", keys).replace("VERSION", str(box.version))):
        try:
            box.systemctl("start", "visits.socket")
            with box.connected(CLIENT, 1):
                finding = found(box, "service-fails", "visits.socket", {CAUSE})
            evidence = "\n".join(finding["evidence"])
            assert "before it was ready" not in evidence, evidence
            box.write(CODE, GOOD)
            assert "served" == socat(box, CLIENT, "")
            # One worker may serve while the other has not read its code yet.
            box.wait_active("visits.service")
            box.write(CODE, BAD)
            assert box.systemctl("reload", "visits.service", check=False).returncode
            finding = found(box, "reload-failed", "visits.socket", {CAUSE})
            evidence = "\n".join(finding["evidence"])
            assert "before it was ready" not in evidence, evidence
            # The parent's own records bear the name of the service, as its text does.
            box.run("journalctl", "--sync")
            match = ("_TRANSPORT=journal", "_SYSTEMD_UNIT=visits.service")
            rows = box.run("journalctl", "--quiet", "--output=json", *match).stdout.splitlines()
            records = [json.loads(row) for row in rows]
            assert any(each["MESSAGE"].startswith("reload failed: ") for each in records)
            assert {"visits"} == {each["SYSLOG_IDENTIFIER"] for each in records}
        finally:
            box.run("rm", "-r", "/srv/visits")
