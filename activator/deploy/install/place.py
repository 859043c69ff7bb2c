"""Where units are installed: the system, a user, or a system below another root."""

import os
from dataclasses import dataclass
from pathlib import Path

from activator.errors import ActivatorError
from activator.live.manager import INSTALLING, Manager

# sd_booted(3): this is there when systemd is process 1.
_BOOTED = "/run/systemd/system"


@dataclass(frozen=True, slots=True)
class Place:
    """A directory of units, and the manager that reads it.

    Attributes:
        directory: Where the units are.
        containers: Where the files are of which podman's Quadlet makes services.
        manager: Who reads them.
        user: Whether they are a user's.
    """

    directory: Path
    containers: Path
    manager: Manager
    user: bool

    @property
    def live(self) -> bool:
        """Tell whether the manager runs, so that units can be started."""
        return self.manager.root is None


def place(*, user: bool = False, root: str | os.PathLike[str] | None = None) -> Place:
    """Return where to install.

    Args:
        user: Whether it is for the calling user's manager.
        root: The root of a system that does not run, such as an image; nothing but files
            below it is touched then.

    Raises:
        ActivatorError: The root is no directory, or no systemd runs here.
    """
    base = "user" if user else "system"
    if root is not None:
        units = _below(root, f"etc/systemd/{base}")
        # podman-systemd.unit(5): those of all users.
        containers = _below(root, f"etc/containers/systemd{'/users' if user else ''}")
        return Place(units, containers, Manager(user=user, root=Path(root).absolute()), user)
    if not Path(_BOOTED).is_dir():
        raise ActivatorError("systemd does not run here", INSTALLING)
    if not user:
        units, containers = Path("/etc/systemd/system"), Path("/etc/containers/systemd")
        return Place(units, containers, Manager(), user)
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return Place(home / "systemd/user", home / "containers/systemd", Manager(user=True), user)


def _below(root: str | os.PathLike[str], below: str) -> Path:
    """Return a directory below another root.

    Raises:
        ActivatorError: The root is no directory, or a link leads out of it.
    """
    name = os.fspath(root)
    if not name or not Path(name).is_dir():
        raise ActivatorError(f"--root: {name!r} is not a directory", "make it first")
    directory = Path(name).absolute() / below
    # systemd would take an absolute link from the new root; here it leads elsewhere.
    if not directory.resolve().is_relative_to(Path(name).resolve()):
        hint = "make it a relative link, or a directory"
        raise ActivatorError("a link leads out of the root", hint, place=str(directory))
    return directory


def may_write(directory: Path) -> bool:
    """Tell whether the calling user may write into a directory, or make it."""
    return os.access(_there(directory), os.W_OK | os.X_OK)


def _there(directory: Path) -> Path:
    return next(path for path in (directory, *directory.parents) if path.exists())


def writable(directory: Path) -> None:
    """Raise if nothing can be written into a directory, or made there.

    Raises:
        ActivatorError: The calling user may not.
    """
    if not may_write(directory):
        there = _there(directory)
        hint = "run it as root, or with --user"
        raise ActivatorError("it cannot be written to", hint, place=str(there))
