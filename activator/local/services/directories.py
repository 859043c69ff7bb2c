"""RuntimeDirectory= and its kin: made before the first command, removed at the end.

Source: systemd.exec(5). Only a runtime directory goes with the service, with all that is in
it, and only if it was made here.
"""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from activator.errors import ActivatorError
from activator.local.services.settings import Identity
from activator.local.units.service_model import Directories

RUNTIME = "RUNTIME_DIRECTORY"


class OwnDirectories:
    """The directories of one service.

    Args:
        directories: RUNTIME_DIRECTORY and its kin → what they are.
    """

    def __init__(self, directories: dict[str, Directories]) -> None:
        self._directories = directories
        self._made: list[str] = []
        self._parents: list[str] = []
        self._links: list[str] = []

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that tell where they are."""
        return {name: ":".join(each.paths) for name, each in self._directories.items()}

    def make(self, identity: Identity | None) -> None:
        """Make those that are missing, and give them their mode and owner.

        Args:
            identity: Whom they belong to; None for ourselves.

        Raises:
            ActivatorError: One cannot be made.
        """
        for variable, each in self._directories.items():
            removed = variable == RUNTIME
            for path in each.paths:
                try:
                    self._make(path, each.mode, identity, removed=removed)
                except OSError as error:
                    directive = variable.title().replace("_", "")
                    what = f"cannot make {path} for {directive}=: {error.strerror}"
                    hint = "give --runtime-dir DIR, or run as root"
                    raise ActivatorError(what, hint) from None
            for link, target in each.links.items():
                with suppress(FileExistsError):
                    Path(link).symlink_to(os.path.relpath(target, str(Path(link).parent)))
                    if removed:
                        self._links.append(link)

    def remove(self) -> None:
        """Remove the runtime directories that were made, with all that is in them."""
        for link in self._links:
            Path(link).unlink(missing_ok=True)
        for path in reversed(self._made):
            shutil.rmtree(path, ignore_errors=True)
        for path in reversed(self._parents):
            with suppress(OSError):
                Path(path).rmdir()
        self._made.clear()
        self._parents.clear()
        self._links.clear()

    def _make(self, path: str, mode: int, identity: Identity | None, *, removed: bool) -> None:
        """Make one directory."""
        missing = [p for p in Path(path).parents if not p.exists()]
        for parent in reversed(missing):
            parent.mkdir(mode=0o755)
            parent.chmod(0o755)
            if removed:
                self._parents.append(str(parent))
        if not Path(path).is_dir():
            Path(path).mkdir(mode=mode)
            if removed:
                self._made.append(path)
        Path(path).chmod(mode)
        if identity is not None:
            os.chown(path, identity.uid, identity.gid)
