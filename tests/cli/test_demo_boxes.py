"""The demonstration's last act, on the booted systemd: as root, and as a user."""

from tests.boxes.box import UNITS, Box

# A user's systemd runs without a login.
AS_USER = """
set -eu
useradd --create-home demo
id=$(id -u demo)
systemctl start user@$id.service
export XDG_RUNTIME_DIR=/run/user/$id
runuser -u demo -- activator demo --quiet 8
ls -A $XDG_RUNTIME_DIR/systemd/user 2>/dev/null
systemctl stop user@$id.service
userdel --remove demo
"""


def test_on_systemd(box: Box) -> None:
    """Systemd runs the units that ran without it, and has none of them afterwards."""
    said = box.run("activator", "demo", "--quiet", "8").stdout
    assert f"# systemd {box.version} " in said
    assert "was started for it, by systemd" in said
    assert "stopped and removed again" in said
    assert "" == box.run("sh", "-c", "ls /run/systemd/system | grep demo || true").stdout
    assert not box.exists(UNITS / "activator-demo-quoted.socket")
    known = box.systemctl("list-units", "--all", "--plain", "activator-demo*").stdout
    assert "activator-demo-quoted" not in known


def test_as_a_user(box: Box) -> None:
    """A user's own systemd does the same."""
    said = box.run("sh", "-c", AS_USER).stdout
    assert "$ systemctl --user start activator-demo-quoted.socket" in said
    assert said.endswith("stopped and removed again\n")
