"""The hint of the runtime's own records, in a hardened service under a booted systemd."""

from tests.boxes.box import Box

SPEC = """\
name = "hinted"
handler = "hinted:handle"
app-dir = "/srv/hinted"

[sockets.hinted]
ListenStream = "/run/hinted.sock"
"""
MODULE = """\
import pathlib

def handle(sock):
    pathlib.Path("/var/lib/hinted/file").write_text("text")
"""
AT_LOAD = "import pathlib; pathlib.Path('/etc/hinted').write_text('text')\n"


def test_a_handler_and_a_start_that_the_sandbox_stops(box: Box) -> None:
    """The journal has the need behind the traceback, and in the line of a failed start."""
    box.write("/srv/hinted/hinted.py", MODULE)
    box.write("/root/hinted.toml", SPEC)
    box.run("mkdir", "-p", "/var/lib/hinted")
    try:
        box.run("activator", "install", "/root/hinted.toml")
        stopped_by = 'needs = ["state:hinted"]'
        with box.connected(address := "UNIX-CONNECT:/run/hinted.sock", 1):
            box.wait_for(lambda: stopped_by in box.journal("hinted.service"), stopped_by)
        box.systemctl("stop", "hinted.service")
        box.write("/srv/hinted/hinted.py", AT_LOAD + MODULE)
        from_start = 'needs = ["write:/etc"]'
        with box.connected(address, 1):
            box.wait_for(lambda: from_start in box.journal("hinted.service"), from_start)
            # An edit would have the next install refused.
            mend = "in the spec of hinted, or in what it runs, and activator install it anew"
            doctor = ("activator", "doctor", "hinted.socket")
            box.wait_for(
                lambda: mend in " ".join(box.run(*doctor, check=False).stdout.split()), mend
            )
    finally:
        box.run("activator", "uninstall", "hinted", "--force", check=False)
        box.run("rm", "-rf", "/srv/hinted", "/var/lib/hinted", "/root/hinted.toml")
