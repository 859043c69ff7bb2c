"""Memory of 10,000 idle connections, beside the bare loops with the same handlers."""

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec

import compare
import servers

CONNECTIONS = 10_000
BAR = 1.1
PAYLOAD = b"x" * 64


def rows() -> Iterator[compare.Row]:
    """Yield the comparisons."""
    limit = CONNECTIONS + 100
    # Servers inherit it. As root it can be raised; else there are as many as there can be.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit, hard), hard))
    count = min(limit, hard) - 100
    for loop in ("asyncio", "uvloop"):
        if not find_spec(loop):
            continue
        for handler, name in (("Echo", "Protocol"), ("echo", "streams")):
            ours = (*servers.SERVE, "--loop", loop, f"peers:{handler}")
            bare = (*servers.PYTHON, str(servers.BENCH / "peers.py"), handler, loop)
            sizes = [memory(argv, count) for argv in (ours, bare)]
            yield compare.compared(
                f"{loop}, {name}: memory of each of {count:,}",
                *([size / count / 1024] for size in sizes),
                bar=BAR,
                unit="KiB",
            )


def memory(argv: tuple[str, ...], count: int) -> int:
    """Return by how many bytes a server grows with so many connections, each used once."""
    with servers.serving(argv) as server, ExitStack() as stack:
        before = server.memory()
        for _ in range(count):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            client.sendall(PAYLOAD)
            assert client.recv(100) == PAYLOAD
        return server.memory() - before


if __name__ == "__main__":
    compare.main(rows)
