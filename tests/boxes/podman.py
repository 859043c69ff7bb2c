"""A booted systemd with podman: containers of root's and of a user's, from an image of its own.

Nothing comes from a registry: the image is made of the box's own tree, with its Python, nginx and
redis, and what is installed below ``/usr/local``.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import PurePosixPath
from subprocess import CompletedProcess
from typing import Any

from tests.boxes.box import RUN_S, UNITS, WAIT_S, Box, BoxError, Inside

# What is in it runs as it does in the box.
IMAGE = "localhost/base:latest"
USER = "ann"
UID = 1000
# The controllers of this machine may be on cgroup v1, where no box has them.
SETTINGS = "[containers]\npids_limit=0\n"
# Of the box's tree as little as a container can live of: memory has it, for root and the user.
_PACK = """\
set -e
cd /
useradd --system --no-create-home served
tar --create --exclude=*.pyc --exclude=usr/lib/*-linux-gnu/perl* \\
    --exclude=usr/lib/*-linux-gnu/systemd --exclude=usr/lib/*-linux-gnu/gconv \\
    --exclude=etc/systemd --exclude=run/* --exclude=tmp/* --exclude=var/lib/redis/* \\
    bin lib lib64 sbin etc run tmp var/lib/nginx var/lib/redis var/log/nginx usr/share/nginx \\
    usr/lib/python3 usr/lib/python3.* usr/lib/*-linux-gnu usr/lib64 usr/local usr/sbin/nginx \\
    usr/bin/cat usr/bin/dash usr/bin/env usr/bin/id usr/bin/ls usr/bin/python3* \\
    usr/bin/redis-* usr/bin/sh usr/bin/sleep |
    podman import --quiet - "$1"
"""


class PodmanBox(Box):
    """A box in which containers run.

    Attributes:
        root: The system's manager, with root's containers.
        user: The manager of a user without privileges, with that one's containers.
    """

    environment = {"SYSTEMD_SECCOMP": "0"}  # noqa: RUF012 - a constant
    options = (
        # The kernel's modules are this machine's.
        *("--capability=all", "--drop-capability=CAP_SYS_MODULE"),
        # The kernel puts no overlay on an overlay, which the rest of the tree is.
        *("--tmpfs=/var/lib/containers", "--tmpfs=/home"),
    )

    @cached_property
    def root(self) -> "Manager":
        """The system's manager."""
        return Manager(self)

    @cached_property
    def user(self) -> "Manager":
        """The user's manager."""
        return UserManager(self)

    def prepare(self) -> None:
        """Make the user and the image, once what is to be in it is installed."""
        self.write("/etc/containers/containers.conf", SETTINGS)
        # pasta's and slirp4netns' device.
        self.run("chmod", "0666", "/dev/net/tun")
        self.run("useradd", "--create-home", "--shell=/bin/sh", USER)
        # As a unit: logind refuses who comes from outside of the box's control groups.
        self.run("systemd-run", "--quiet", "--wait", "loginctl", "enable-linger", USER)
        self.wait_active(f"user@{UID}.service")
        self.run("sh", "-c", _PACK, "sh", IMAGE)
        self.run("podman", "save", "--quiet", "--output=/tmp/image", IMAGE)
        self.run("chmod", "0644", "/tmp/image")
        self.user.run("podman", "load", "--quiet", "--input=/tmp/image")
        self.run("rm", "/tmp/image")


class Manager:
    """A manager of units in a box, and the containers that it starts: the system's.

    Args:
        box: The box.

    Attributes:
        box: The same.
        home: The home directory of whom it is for.
        option: What names it to systemctl and to our commands.
        units: Where its units are.
        quadlets: Where Quadlet looks for its ``.container`` files.
    """

    home = PurePosixPath("/root")
    option: tuple[str, ...] = ()
    units = UNITS
    quadlets = PurePosixPath("/etc/containers/systemd")

    def __init__(self, box: PodmanBox) -> None:
        self.box = box

    def words(self, *argv: str) -> tuple[str, ...]:
        """Return the words that run a command for it in the box, in the home directory."""
        return ("env", f"--chdir={self.home}", *argv)

    def run(
        self,
        *argv: str,
        input: str | None = None,  # noqa: A002 - as Box.run has it
        check: bool = True,
        timeout: float = RUN_S,
    ) -> CompletedProcess[str]:
        """Run a command as whom the manager is for; else as :meth:`Box.run`."""
        return self.box.run(*self.words(*argv), input=input, check=check, timeout=timeout)

    def popen(self, *argv: str, **options: Any) -> Inside:
        """Start a command as whom the manager is for; else as :meth:`Box.popen`."""
        return self.box.popen(*self.words(*argv), **options)

    def systemctl(self, *argv: str, check: bool = True) -> CompletedProcess[str]:
        """Run systemctl for it."""
        return self.run("systemctl", *self.option, *argv, check=check)

    def show(self, unit: str, name: str) -> str:
        """Return the value of one property of a unit."""
        return self.systemctl("show", f"--property={name}", "--value", "--", unit).stdout.strip()

    def journal(self, unit: str) -> str:
        """Return the log of a unit, messages only."""
        self.box.run("journalctl", "--sync")
        return self.box.run("journalctl", "--output=cat", "--no-pager", f"--unit={unit}").stdout

    def wait_state(self, unit: str, state: str, timeout: float = WAIT_S) -> None:
        """Wait until a unit's ActiveState is as wanted.

        Raises:
            BoxError: It is not in time; the message has the unit's status and log.
        """
        try:
            self.box.wait_for(lambda: self.show(unit, "ActiveState") == state, timeout=timeout)
        except BoxError:
            status = self.systemctl("status", "--no-pager", "--full", unit, check=False).stdout
            raise BoxError(f"{unit} is not {state} after {timeout:g} s\n{status}") from None

    def write(self, path: str | PurePosixPath, text: str) -> None:
        """Write a file that is its user's, with the directories above it."""
        script = 'mkdir -p "${1%/*}" && cat >"$1.new" && mv -T "$1.new" "$1"'
        self.run("sh", "-c", script, "sh", str(path), input=text)

    def build(self, tag: str, steps: str = "", base: str = IMAGE) -> None:
        """Make an image from another one.

        Args:
            tag: What it is called, such as ``localhost/shop:latest``.
            steps: What follows ``FROM`` in its Containerfile; nothing there may need a network.
            base: The image it is made from.
        """
        text = f"FROM {base}\n{steps}"
        words = ("podman", "build", "--quiet", "--pull=never", "--network=none")
        self.run(*words, f"--tag={tag}", "--file=-", input=text)

    @contextmanager
    def quadlet(self, files: Mapping[str, str]) -> Iterator[None]:
        """Have units and Quadlet's files loaded in the body; stop and remove them afterwards.

        Nothing is started.

        Args:
            files: Name → text. What ends in ``.socket``, ``.service`` or ``.conf`` is a unit's,
                all else is Quadlet's.
        """
        paths = {}
        for name in files:
            plain = name.endswith((".socket", ".service", ".conf"))
            paths[name] = (self.units if plain else self.quadlets) / name
        try:
            for name, text in files.items():
                self.write(paths[name], text)
            self.systemctl("daemon-reload")
            yield
        finally:
            sockets = [name for name in files if name.endswith(".socket")]
            services = [
                f"{name.rpartition('.')[0].replace('@', '@*')}.service"
                for name in files
                if name.endswith((".container", ".service"))
            ]
            # Sockets first: a client would start its service again.
            for units in (sockets, services):
                if units:
                    self.systemctl("stop", "--", *units, check=False)
            self.run("rm", "-f", "--", *map(str, paths.values()))
            self.systemctl("reset-failed", "--", *sockets, *services, check=False)
            self.systemctl("daemon-reload")


class UserManager(Manager):
    """The manager of a user who lingers, and containers without root."""

    home = PurePosixPath("/home", USER)
    option = ("--user",)
    units = home / ".config/systemd/user"
    quadlets = home / ".config/containers/systemd"

    def words(self, *argv: str) -> tuple[str, ...]:
        """Return the words that run a command as the user."""
        return (
            *("setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups"),
            *("env", f"--chdir={self.home}", f"HOME={self.home}", f"USER={USER}"),
            *(f"XDG_RUNTIME_DIR=/run/user/{UID}", *argv),
        )

    def journal(self, unit: str) -> str:
        """Return the log of a unit, messages only."""
        self.box.run("journalctl", "--sync")
        words = ("journalctl", "--output=cat", "--no-pager", f"_SYSTEMD_USER_UNIT={unit}")
        return self.box.run(*words, "+", f"USER_UNIT={unit}").stdout
