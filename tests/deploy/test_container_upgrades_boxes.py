"""New images behind an open socket: clients wait for them in the socket, and none is refused."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.boxes.loads import INSIDE
from tests.boxes.podman import Manager
from tests.support.fleet import SHOP, Shoppers

ADDRESS = "127.0.0.1:7792"
IMAGE = "localhost/shop"
SOCKET = f"[Socket]\nListenStream={ADDRESS}\n"
# The limit of starts would close the socket, with the clients that wait in it, while a bad image
# is tried.
CONTAINER = """\
[Unit]
Requires=shop.socket
After=shop.socket
StartLimitIntervalSec=0

[Container]
Image={image}
Pull=never
Network=none
Notify=yes
AutoUpdate=local
Exec=activator serve --app-dir /srv/shop --drain 20 shop:shop

[Service]
Restart=on-failure
RestartSec=250ms
"""
# Ends before it is ready.
BROKEN = "raise SystemExit('no')\n"
# What may happen to a client: its answer, or an idle connection that is closed between two.
GOOD = {"kept: served", "short: served", "kept: closed while idle"}


def build(manager: Manager, text: str, tag: str = "latest") -> None:
    """Make an image that has a version of the shop."""
    manager.build(f"{IMAGE}:{tag}", f"COPY <<'END' /srv/shop/shop.py\n{text}\nEND\n")


@contextmanager
def shop(manager: Manager) -> Iterator[Shoppers]:
    """Have the shop's first version open, and clients in it."""
    build(manager, SHOP)
    files = {"shop.socket": SOCKET, "shop.container": CONTAINER.format(image=f"{IMAGE}:latest")}
    with without_images(manager), manager.quadlet(files):
        manager.systemctl("start", "shop.socket")
        with shoppers(manager) as clients:
            yield clients


@contextmanager
def without_images(manager: Manager) -> Iterator[None]:
    """Remove the shop's images after the body."""
    try:
        yield
    finally:
        found = manager.run("podman", "images", "--quiet", IMAGE).stdout.split()
        manager.run("podman", "rmi", "--force", *dict.fromkeys(found))


@contextmanager
def shoppers(manager: Manager) -> Iterator[Shoppers]:
    """Have clients in the shop in the body."""
    box = manager.box
    box.write("/root/shoppers.py", (INSIDE / "shoppers.py").read_text())
    with box.popen(box.python, "/root/shoppers.py", ADDRESS, "4") as process:
        try:
            assert process.stdout
            assert "ready\n" == process.stdout.readline()
            yield Shoppers(process)
        finally:
            process.kill()


def ask(manager: Manager) -> str:
    """Return what the shop says."""
    return manager.run("curl", "--silent", "--max-time", "60", f"http://{ADDRESS}/").stdout


def same_tag(manager: Manager) -> None:
    """Have the tag lead to the second version, and restart."""
    build(manager, SHOP.replace("v1", "v2"))
    manager.systemctl("restart", "shop.service")


def other_tag(manager: Manager) -> None:
    """Have the file name another tag, and restart."""
    build(manager, SHOP.replace("v1", "v2"), "2")
    text = CONTAINER.format(image=f"{IMAGE}:2")
    manager.write(manager.quadlets / "shop.container", text)
    manager.systemctl("daemon-reload")
    manager.systemctl("restart", "shop.service")


def updated(manager: Manager) -> None:
    """Have podman find out that the tag leads elsewhere."""
    build(manager, SHOP.replace("v1", "v2"))
    told = manager.run("podman", "auto-update", "--format={{.Unit}} {{.Updated}}").stdout
    assert "shop.service true\n" == told


@pytest.mark.parametrize("upgrade", [same_tag, other_tag, updated])
def test_upgrade(manager: Manager, upgrade: Callable[[Manager], None]) -> None:
    """Another image takes over under load, and every client is answered by one or the other."""
    with shop(manager) as clients:
        upgrade(manager)
        last = ask(manager)
        counts, said = clients.end()

    assert "v2" == last
    assert counts.keys() <= GOOD, counts
    assert ["200 v1", "200 v2"] == said


def test_bad_image_is_rolled_back(manager: Manager) -> None:
    """Podman puts an image back that does not get ready; clients wait meanwhile, all of them."""
    with shop(manager) as clients:
        build(manager, BROKEN)
        told = manager.run("podman", "auto-update", "--format={{.Unit}} {{.Updated}}").stdout
        last = ask(manager)
        counts, said = clients.end()

    assert "shop.service rolled back\n" == told
    assert "v1" == last
    assert counts.keys() <= GOOD, counts
    assert ["200 v1"] == said


SPEC = f"""\
name = "shop"
image = "{IMAGE}:TAG"
exec = "activator serve --app-dir /srv/shop --drain 20 shop:shop"
podman = "5.4"
[container]
Notify = true
[sockets.shop]
ListenStream = "{ADDRESS}"
"""


def install(manager: Manager, tag: str, *, status: int = 0) -> str:
    """Install the shop with a tag; return what is said of it."""
    manager.write(manager.home / "shop.toml", SPEC.replace("TAG", tag))
    done = manager.run("activator", "install", *manager.option, "shop.toml", check=False)
    assert status == done.returncode, done.stdout + done.stderr
    return done.stdout


def test_installed_upgrade(manager: Manager) -> None:
    """What is installed anew takes over under load; what does not get ready is put back."""
    build(manager, SHOP, "1")
    build(manager, SHOP.replace("v1", "v2"), "2")
    build(manager, BROKEN, "3")
    with without_images(manager):
        try:
            install(manager, "1")
            with shoppers(manager) as clients:
                install(manager, "2")
                second = ask(manager)
                told = install(manager, "3", status=1)
                third = ask(manager)
                counts, said = clients.end()
        finally:
            manager.run("activator", "uninstall", *manager.option, "shop.toml")
            manager.run("rm", "shop.toml")

    assert ("v2", "v2") == (second, third)
    assert "roll back: restart shop.service\n" in told
    assert counts.keys() <= GOOD, counts
    assert ["200 v1", "200 v2"] == said
