"""Do work that keeps a processor busy, where ``--workers`` is of use."""

from hashlib import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter

ROUNDS = 10_000


async def digest(reader: "StreamReader", writer: "StreamWriter") -> None:
    """Answer what the client sends with its digest's digest's ... digest, in hexadecimal."""
    value = await reader.read()
    for _ in range(ROUNDS):
        value = sha256(value).digest()
    writer.write(value.hex().encode() + b"\n")
