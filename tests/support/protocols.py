"""Protocol classes for the tests; they load asyncio."""

import asyncio
import functools
import os
import sys
import time
from typing import Any, cast

import activator
from tests.support.files import uevent


class Echo(asyncio.Protocol):
    """Send back all that comes."""

    transport: asyncio.Transport

    def __init__(self, prefix: bytes = b"") -> None:
        self.prefix = prefix

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Send it back."""
        self.transport.write(self.prefix + data)


an_echo = functools.partial(Echo, b"> ")


class Hold(Echo):
    """Say hi, wait for a line, send it back with the process id; write when it is lost."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hi."""
        super().connection_made(transport)
        self.transport.write(b"hi\n")

    def data_received(self, data: bytes) -> None:
        """Send it back and leave."""
        self.transport.write(b"%d %s" % (os.getpid(), data))
        self.transport.close()


class Stubborn(Hold):
    """Say hi, then stay, and say so when told to go."""

    def data_received(self, data: bytes) -> None:
        """Do nothing."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Say so."""
        del exc
        sys.stderr.write("cleaned up\n")


class Switch(Hold):
    """Hand the connection over to another protocol at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Leave it to Hold."""
        other = Hold()
        cast("asyncio.Transport", transport).set_protocol(other)
        other.connection_made(transport)


class Broken(Echo):
    """Fail before there is a protocol."""

    def __init__(self) -> None:
        super().__init__()
        raise ValueError("boom")


class Failing(Echo):
    """Fail when something comes."""

    def data_received(self, data: bytes) -> None:
        """Fail."""
        raise ValueError(f"boom {data!r}"[:4])


class Hang(Echo):
    """Keep the event loop from everything else."""

    def data_received(self, data: bytes) -> None:
        """Say so, and hang."""
        del data
        os.write(self.transport.get_extra_info("socket").fileno(), b"hanging\n")
        time.sleep(3600)


class Attentive(Hold):
    """Say hi, then bye as soon as the service drains."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the end in a task."""
        super().connection_made(transport)
        self.task = asyncio.get_running_loop().create_task(self.leave())

    async def leave(self) -> None:
        """Say bye when the service drains."""
        await activator.draining
        self.transport.write(b"bye\n")
        self.transport.close()


class Reply(asyncio.DatagramProtocol):
    """Send back every message, with the address it came to."""

    transport: asyncio.DatagramTransport

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Answer."""
        if data == b"boom":
            raise ValueError("boom")
        to = data.destination if isinstance(data, activator.Message) else "?"
        self.transport.sendto(b"%s to %s" % (data, to.encode()), addr)

    def connection_lost(self, exc: Exception | None) -> None:
        """Say so."""
        del exc
        sys.stderr.write("lost\n")


class Uevents(asyncio.DatagramProtocol):
    """Tell of what the kernel says of devices."""

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Write it to stdout."""
        uevent(data, addr)
