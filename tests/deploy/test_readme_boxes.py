"""The README's first service, installed as it says on each booted systemd."""

from tests.boxes.box import Box
from tests.support.pages import README, blocks

HOME = "/root/hello"


def test_the_first_service_is_installed(box: Box) -> None:
    """Pasted into an empty folder it is made, tried and installed; it answers, and goes again."""
    follow(box)


def follow(box: Box) -> None:
    """Do in a box what the README tells to do; it is left as it was."""
    text = [block.text for mark in ("run", "install it") for block in blocks(README, mark)]
    box.write("/usr/local/bin/sudo", '#!/bin/sh\nexec "$@"\n', 0o755)
    box.write("/root/paste", "\n".join(["set -e", f"mkdir {HOME}", f"cd {HOME}", *text]))
    try:
        done = box.run("bash", "-m", "/root/paste", check=False, timeout=600)
        assert 0 == done.returncode, done.stdout[-2000:] + done.stderr[-2000:]
        # Without systemd, and with it.
        assert 2 == done.stdout.count("Hello, world!\n")
        assert "active" == box.show("hello.service", "ActiveState")
        box.run("sed", "-i", "s/world/again/", f"{HOME}/hello.py")
        (commands,) = (block.text for block in blocks(README, "new code"))
        box.run("sh", "-ec", f"cd {HOME}\n{commands}")
        assert "Hello, again!\n" == box.run("curl", "-s", "http://127.0.0.1:8080/").stdout
    finally:
        box.run("activator", "uninstall", "hello", check=False)
        box.run("rm", "-rf", HOME, "/root/paste", "/usr/local/bin/sudo", "/usr/local/lib/hello")
    assert "" == box.systemctl("--failed", "--plain", "--no-legend").stdout
    assert "not-found" == box.show("hello.service", "LoadState")
