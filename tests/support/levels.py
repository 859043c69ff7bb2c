"""Handlers that log at several levels, as the application and as a server does."""

import logging
import os
from asyncio import StreamReader, StreamWriter
from socket import socket

if "CONFIGURED" in os.environ:
    logging.basicConfig(format="%(message)s:%(name)s")


def _log() -> None:
    app = logging.getLogger("app")
    app.debug("debug")
    app.info("info")
    app.warning("warning")
    logging.getLogger("uvicorn.access").info("a request")
    if "CONFIGURED" in os.environ:
        logging.getLogger("uvicorn.error").warning("warning")


def p_levels(sock: socket) -> None:
    """Log, and answer."""
    _log()
    sock.sendall(b"done")


async def a_levels(_: StreamReader, writer: StreamWriter) -> None:
    """Log, and answer."""
    _log()
    writer.write(b"done")
