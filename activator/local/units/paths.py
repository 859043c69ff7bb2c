"""Where paths below /run and ports go: as they are, or where a run has them for itself."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from activator.errors import ActivatorError
from activator.unitfile.address import MAX_PATH_BYTES, Address

RUN = PurePosixPath("/run")
# What /run was once called, and systemd takes for it.
_OLD_RUN = PurePosixPath("/var/run")


@dataclass(frozen=True)
class RuntimeDir:
    """Map /run, and ``%t``, to another directory, and ports to free ones.

    Attributes:
        directory: The absolute directory that stands for /run; empty: nothing is mapped.
        free_ports: Whether the kernel chooses the ports of IP sockets.
    """

    directory: str = ""
    free_ports: bool = False

    def path(self, path: str) -> str:
        """Return a path with /run replaced."""
        pure = PurePosixPath(path)
        if not self.directory or pure.is_relative_to(self.directory):
            return path
        for each in (RUN, _OLD_RUN):
            if pure.is_relative_to(each):
                return str(PurePosixPath(self.directory) / pure.relative_to(each))
        return path

    def address(self, address: Address) -> Address:
        """Return an address with its path or port mapped.

        Raises:
            ActivatorError: The mapped path is too long for a Unix socket.
        """
        if self.free_ports and address.is_ip:
            return address._replace(port=0)
        if not address.path.startswith("/") or address.kind in ("special", "mqueue"):
            return address
        mapped = address._replace(path=self.path(address.path))
        if mapped.family is not None and len(mapped.path.encode()) > MAX_PATH_BYTES:
            raise ActivatorError(
                f"{mapped.path} is longer than the {MAX_PATH_BYTES} bytes of a Unix socket",
                "give a shorter --runtime-dir",
            )
        return mapped

    def hint(self, path: str) -> str:
        """Return what to do where a path may not be written."""
        if not self.directory and PurePosixPath(path).is_relative_to(RUN):
            return "move /run elsewhere with --runtime-dir DIR, or run as root"
        return "choose a directory that you may write to"
