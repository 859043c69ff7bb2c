"""The smallest applications for web servers, and one server that only a program can start."""

import socket
import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

TEXT = b"hello\n"


async def asgi(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Answer every request, as ASGI wants it."""
    if scope["type"] != "http":
        return
    await receive()
    headers = [(b"content-length", str(len(TEXT)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": TEXT})


def wsgi(environ: dict[str, Any], start: Callable[[str, list[Any]], Any]) -> Iterable[bytes]:
    """Answer every request, as WSGI wants it."""
    del environ
    start("200 OK", [("Content-Length", str(len(TEXT)))])
    return [TEXT]


def main() -> None:
    """Serve with waitress, which takes sockets from programs only."""
    import waitress  # noqa: PLC0415 - the others do without

    waitress.serve(wsgi, sockets=[socket.socket(fileno=int(sys.argv[1]))], threads=1)


if __name__ == "__main__":
    main()
