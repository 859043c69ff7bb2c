"""Handlers that tell what log records would be said to be about; stderr is a journal's here."""

import asyncio
import json
import logging
import os
import sys
import threading
from socket import socket

import activator.runtime.journal
from activator.runtime.journal import journal

if "NO_JOURNAL" not in os.environ:
    status = os.fstat(2)
    activator.runtime.journal.SOCKET = os.environ.get("SOCKET", "/")
    os.environ["JOURNAL_STREAM"] = f"{status.st_dev}:{status.st_ino}"


def known() -> bytes:
    """Return the fields."""
    return json.dumps(journal.known()).encode()


def a_plain(sock: socket) -> None:
    """Tell, and what another thread knows, which is nothing."""
    sock.recv(1)
    others: list[bytes] = []
    thread = threading.Thread(target=lambda: others.append(known()))
    thread.start()
    thread.join()
    assert others == [b"{}"]
    sock.sendall(known())


async def a_streams(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Tell, from a task of its own."""
    await reader.read(1)
    writer.write(await asyncio.create_task(asyncio.to_thread(known)))


class Protocol(asyncio.Protocol):
    """Tell, once something has come."""

    transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport."""
        self.transport = transport  # type: ignore[assignment]  # uvloop's is none of asyncio's

    def data_received(self, _: bytes) -> None:
        """Tell."""
        self.transport.write(known())
        asyncio.get_running_loop().call_later(0.01, self.tell)

    def tell(self) -> None:
        """Tell again, later."""
        self.transport.write(known())
        self.transport.close()


def logs(sock: socket) -> None:
    """Log, by a handler of ours and with the last resort."""
    logging.getLogger("known").warning("to the last resort")
    from activator import JournalHandler  # noqa: PLC0415 - as an application would later

    logging.basicConfig(handlers=[JournalHandler()], level="INFO", format="<%(message)s>")
    logging.getLogger("known").info("said")
    sys.stderr.write("written\n")
    sock.sendall(b"done")
