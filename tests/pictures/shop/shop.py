"""The shop: it answers whoever asks."""

import asyncio

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nWe open.\n"


async def shop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer a request."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(ANSWER)
