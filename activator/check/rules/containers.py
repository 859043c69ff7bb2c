"""What podman and systemd make of a container's file together with its socket."""

import re
from collections.abc import Iterator

from activator.check.containers import Quadlet
from activator.check.units import INFO, WARNING, Problem, World
from activator.errors import ActivatorError
from activator.unitfile import address, quadlet
from activator.unitfile.quadlet import values

# Behind addresses: the host's port, and what is left of the container's.
_PORT = r"(?:^|:)0*([0-9]{1,5})(?::[0-9-]+)?(?:/\w+)?$"


def port_of_socket(unit: Quadlet, world: World) -> Iterator[Problem]:
    """Find containers that publish the port on which their socket listens: one cannot have it.

    Bad::

        # web.socket
        [Socket]
        ListenStream=8080

        # web.container
        [Unit]
        Requires=web.socket

        [Container]
        Image=localhost/web:1
        Pull=never
        Network=none
        PublishPort=8080:80

    Good::

        # web.socket
        [Socket]
        ListenStream=8080

        # web.container
        [Unit]
        Requires=web.socket

        [Container]
        Image=localhost/web:1
        Pull=never
        Network=none
    """
    ports = {}
    for socket in unit.sockets(world):
        for entry in socket.settings.all("Listen"):
            try:
                found = address.parse(entry.name, entry.value)
            except ActivatorError:
                continue
            if found.is_ip:
                ports[found.port] = f"{entry.name}={entry.value} of {socket.name}"
    for entry in unit.keys:
        match = re.search(_PORT, entry.value) if entry.name == "PublishPort" else None
        if match and int(match[1]) in ports:
            what = f"podman would take the port of {ports[int(match[1])]}"
            yield Problem(what, "remove it: systemd listens for the container", entry)


def container_without_socket(unit: Quadlet, world: World) -> Iterator[Problem]:
    """Find containers of a socket that may be started without it, and get no descriptors then.

    `systemctl start` of the service, or a boot that wants it, starts it without the socket; the
    program finds nothing to serve. With Requires= the socket is there first: systemd.socket(5)
    orders the two by itself.

    Bad::

        # web.socket
        [Socket]
        ListenStream=8080

        # web.container
        [Container]
        Image=localhost/web:1
        Pull=never
        Network=none

    Good::

        # web.socket
        [Socket]
        ListenStream=8080

        # web.container
        [Unit]
        Requires=web.socket

        [Container]
        Image=localhost/web:1
        Pull=never
        Network=none
    """
    if unit.is_template:
        return
    named = {
        word
        for entry in unit.entries
        if entry.section == "Unit" and entry.name in ("Requires", "BindsTo", "Requisite")
        for word in entry.value.split()
    }
    for socket in unit.sockets(world):
        if socket.name not in named:
            what = f"it may be started without {socket.name}, and gets no sockets then"
            yield Problem(what, f"write Requires={socket.name} into [Unit]")


def container_pulls(unit: Quadlet, world: World) -> Iterator[Problem]:
    """Find containers of a socket whose first client waits until the image is downloaded.

    Without Pull= podman downloads an image that is missing; a client waits meanwhile, or
    systemd's time for a start runs out.

    Bad::

        # web.socket
        [Socket]
        ListenStream=8080

        # web.container
        [Unit]
        Requires=web.socket

        [Container]
        Image=example.net/web:1
        Network=none

    Good::

        # web.socket
        [Socket]
        ListenStream=8080

        # web.container
        [Unit]
        Requires=web.socket

        [Container]
        Image=example.net/web:1
        Pull=never
        Network=none
    """
    image = unit.key("Image")
    if not unit.sockets(world) or image is None or image.value.endswith((".image", ".build")):
        return
    pull = unit.key("Pull")
    arguments = " ".join(entry.value for entry in unit.keys if entry.name == "PodmanArgs")
    if "--pull=never" in arguments or (pull and pull.value.lower() == "never"):
        return
    severity = WARNING if pull and pull.value.lower() in ("always", "newer") else INFO
    what = "the first client may wait for a download of the image"
    yield Problem(
        what, "write Pull=never, and pull it beforehand", pull or image, severity=severity
    )


def container_enabled(unit: Quadlet, world: World) -> Iterator[Problem]:
    """Find containers that the boot starts, though their socket would when a client comes.

    Quadlet makes the links of [Install] by itself; `systemctl enable` is for the socket.

    Bad::

        # web.socket
        [Socket]
        ListenStream=8080

        # web.container
        [Unit]
        Requires=web.socket

        [Container]
        Image=localhost/web:1
        Pull=never
        Network=none

        [Install]
        WantedBy=multi-user.target

    Good::

        # web.socket
        [Socket]
        ListenStream=8080

        [Install]
        WantedBy=sockets.target

        # web.container
        [Unit]
        Requires=web.socket

        [Container]
        Image=localhost/web:1
        Pull=never
        Network=none
    """
    for entry in unit.entries:
        wants = entry.name in ("WantedBy", "RequiredBy", "UpheldBy") and entry.value
        if entry.section == "Install" and wants and unit.sockets(world):
            what = "the boot starts the container, without waiting for a client of its socket"
            yield Problem(what, "leave [Install] to the socket", entry)


def container_network(unit: Quadlet, world: World) -> Iterator[Problem]:
    """Find containers of a socket with a network that no client of theirs needs.

    What a socket passes works in a container without any network: Network=none. With
    Network=host the container has the whole machine's.

    Bad::

        # web.socket
        [Socket]
        ListenStream=8080

        # web.container
        [Unit]
        Requires=web.socket

        [Container]
        Image=localhost/web:1
        Pull=never
        Network=host

    Good::

        # web.socket
        [Socket]
        ListenStream=8080

        # web.container
        [Unit]
        Requires=web.socket

        [Container]
        Image=localhost/web:1
        Pull=never
        Network=none
    """
    if not unit.sockets(world) or unit.kind.section != "Container" or unit.key("Pod"):
        return
    network = unit.key("Network")
    if network is None:
        what = "the container has a network, and takes all connections from its socket"
        yield Problem(what, "write Network=none if it connects to nobody", unit.key("Image"))
    elif network.value == "host":
        what = "the container has the whole machine's network, which no socket needs"
        yield Problem(what, "write Network=none", network, severity=WARNING)


def container_descriptors(unit: Quadlet, world: World) -> Iterator[Problem]:
    """Find containers whose program does not get the sockets that were passed to podman.

    They are for process 1 of the container (LISTEN_PID=1), which is not the program with
    RunInit=; and podman run -d gives the program no standard input.

    Bad::

        # web.socket
        [Socket]
        ListenStream=8080

        # web.container
        [Unit]
        Requires=web.socket

        [Container]
        Image=localhost/web:1
        Pull=never
        Network=none
        RunInit=true

    Good::

        # web.socket
        [Socket]
        ListenStream=8080

        # web.container
        [Unit]
        Requires=web.socket

        [Container]
        Image=localhost/web:1
        Pull=never
        Network=none
    """
    if not unit.sockets(world):
        return
    init = unit.key("RunInit")
    if init and values.is_true(init.value):
        what = "the sockets are for process 1 of the container, which the program is not"
        yield Problem(what, "remove it", init)
    for entry in unit.entries:
        if (entry.section, entry.name, entry.value) == ("Service", "StandardInput", "socket"):
            limit = quadlet.service_limits()[entry.name]
            yield Problem(limit.what, limit.hint, entry)
