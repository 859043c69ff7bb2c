"""The rig for containers: Quadlet's services start behind a socket, root's and a user's."""

from tests.boxes.podman import IMAGE, Manager

SOCKET = "[Socket]\nListenStream=127.0.0.1:7790\n"
CONTAINER = f"""\
[Container]
Image={IMAGE}
Pull=never
Network=none
Exec=activator serve activator.examples.echo:echo
"""


def test_container_behind_socket(manager: Manager) -> None:
    """A client of a socket starts a container, which gets the socket, and has an answer."""
    files = {
        "rig.socket": SOCKET,
        "rig.container": f"[Unit]\nRequires=rig.socket\nAfter=rig.socket\n{CONTAINER}",
    }
    with manager.quadlet(files):
        manager.systemctl("start", "rig.socket")
        done = manager.box.run("socat", "-t60", "-", "TCP:127.0.0.1:7790", input="hello\n")

        assert "hello\n" == done.stdout
        manager.wait_state("rig.service", "active")
    assert "not-found" == manager.show("rig.service", "LoadState")


def test_build(manager: Manager) -> None:
    """An image is made from another one, without a network."""
    manager.build("localhost/rig:latest", "ENV SAID=hello\n")

    words = ("podman", "run", "--rm", "--pull=never", "--network=none", "localhost/rig:latest")
    assert "hello\n" == manager.run(*words, "sh", "-c", "echo $SAID").stdout

    manager.run("podman", "rmi", "localhost/rig:latest")
