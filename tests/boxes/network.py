"""A network of boxes: hosts on one bridge, in a network namespace that ends with the test run."""

import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.boxes.box import Box

# Ends when the pipe to it breaks, however the test run ends; then nothing holds the namespace.
_HOLD = """
ip link set lo up && ip link add br0 type bridge && ip address add 10.77.0.1/24 dev br0 &&
ip link set br0 up && echo ready && exec cat >/dev/null
"""


class Network:
    """A bridge that no other network is joined to; this machine is 10.77.0.1 in it.

    Use it as a context manager.
    """

    def __init__(self) -> None:
        self._holder: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", _HOLD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._holder.stdout
        assert "ready\n" == self._holder.stdout.readline()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the namespace up."""
        assert self._holder
        self._holder.communicate()

    def enter(self, *argv: str) -> list[str]:
        """Return the words that run a command of this machine in the network."""
        assert self._holder
        return ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net", "--", *argv]

    def popen(self, *argv: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command of this machine in the network; the caller ends it."""
        return subprocess.Popen(self.enter(*argv), text=True, **options)


class Host(Box):
    """A box on a network.

    Attributes:
        address: Its address there.
    """

    def __init__(self, suite: str, tree: Path, network: Network, number: int) -> None:
        """Prepare a host; nothing runs yet.

        Args:
            suite: Its Debian suite.
            tree: Its root file system.
            network: The network.
            number: The last part of its address, from 2 on.
        """
        super().__init__(suite, tree)
        self.address = f"10.77.0.{number}"
        self._network = network

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            self.run("ip", "address", "add", f"{self.address}/24", "dev", "host0")
            self.run("ip", "link", "set", "host0", "up")
        except BaseException:
            self.stop()
            raise
        return self

    def _command(self) -> list[str]:
        words = super()._command()
        words[words.index("--private-network")] = "--network-bridge=br0"
        return self._network.enter(*words)
