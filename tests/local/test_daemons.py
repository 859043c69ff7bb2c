"""Units of other people: sockets that Debian packages bring run as they are.

The packages are installed in a root of their own; the local activator runs there, as root, in
namespaces of its own, and each daemon is talked to by a client that speaks its protocol.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.boxes.fixtures import box_root
from tests.boxes.recipes import DAEMONS
from tests.support.local import ROOT

SECONDS = 600

# In a mount, network and process namespace: the root with a layer to write to, and this checkout.
ENTER = """
set -eu
ip link set lo up
mount -t tmpfs tmpfs "$2"
mkdir "$2/upper" "$2/work" "$2/root"
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
cd "$2/root"
mount -t proc proc proc
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount --bind /dev dev
mkdir -p activator run/lock run/sshd etc/systemd/system/tangd.socket.d
port=etc/systemd/system/tangd.socket.d/port.conf
mount --bind "$3" activator
printf '[Socket]\\nListenStream=\\nListenStream=8080\\n' > $port
shift 3
exec chroot . /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONPATH=/activator \\
    PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 /activator/tests/boxes/inside/daemons.py "$@"
"""
# Socket unit → what its daemon must say. Their packages are those of the recipe.
EXPECTED = {
    "approx.socket": "HTTP/1.1 ",
    "fcgiwrap.socket": "hello from www-data",
    "gpsd.socket": '{"class":"VERSION"',
    "micro-httpd.socket": "micro_httpd",
    "oidentd.socket": "1,2:ERROR:",
    "pcscd.socket": "version (4, ",
    "rpcbind.socket": "portmapper",
    "ssh.socket": "SSH-2.0-OpenSSH",
    "tangd.socket": "HTTP/1.1 ",
    "uucp.socket": "login:",
    "uuidd.socket": "-4",
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Return what the daemons answered, all run at once."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("needs root and unshare(1)")
    tree = box_root("bookworm", DAEMONS)
    scratch = tmp_path_factory.mktemp("daemons")
    done = subprocess.run(
        ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "/bin/sh", "-c", ENTER,
         "sh", str(tree), str(scratch), str(ROOT), *EXPECTED],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )  # fmt: skip
    assert 0 == done.returncode, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    yield found
    assert [] == list(Path(scratch).iterdir())


@pytest.mark.parametrize("name", list(EXPECTED))
def test_daemon_answers(answers: dict[str, Any], name: str) -> None:
    """A daemon is started by its first client, and answers."""
    assert EXPECTED[name] in answers[name], answers[name] + "\n" + answers[""]


def test_all_end(answers: dict[str, Any]) -> None:
    """Afterwards no process is left, and the run has ended as it was told."""
    assert "0" == answers["status"], answers[""]
    # Process 1, the shell that counts, ls, grep.
    assert 4 >= int(answers["left"])
