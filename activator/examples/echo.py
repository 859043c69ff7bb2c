"""Echo what the client sends, in either mode."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter


async def echo(reader: "StreamReader", writer: "StreamWriter") -> None:
    """Send every chunk back until the client has sent its last."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
