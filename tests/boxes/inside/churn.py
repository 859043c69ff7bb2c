"""Come to an echo service very often, and leave in good and in bad ways.

Runs inside a box with the box's own Python; it knows nothing of the project. A third of the
connections is reset: before, while or after something was sent, or while the answer comes.
Prints as JSON how the others ended.

Arguments: HOST:PORT, number of connections, how many at a time.
"""

import asyncio
import collections
import json
import os
import random
import socket
import sys

PATIENCE = 60.0
LINGER = b"\1\0\0\0\0\0\0\0"
SIZE = 20_000


async def visit(address: tuple[str, int]) -> str:
    """Come once; return how it went."""
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        sock.setblocking(False)
        try:
            await loop.sock_connect(sock, address)
        except OSError:
            return "refused"
        data = os.urandom(random.randrange(1, SIZE))
        try:
            if random.random() < 1 / 3:
                return await leave(loop, sock, data)
            await loop.sock_sendall(sock, data)
            sock.shutdown(socket.SHUT_WR)
            answer = b""
            while chunk := await loop.sock_recv(sock, 65536):
                answer += chunk
        except OSError:
            return "reset by the service"
        return "served" if answer == data else "cut"


async def leave(loop: asyncio.AbstractEventLoop, sock: socket.socket, data: bytes) -> str:
    """Reset the connection at a random point."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
    point = random.randrange(4)
    if point:
        await loop.sock_sendall(sock, data)
    if point > 1:
        await asyncio.sleep(random.random() / 100)
    if point > 2:
        await loop.sock_recv(sock, 1)
    return "left"


async def main(address: str, number: int, at_once: int) -> None:
    """Send all clients."""
    host, _, port = address.rpartition(":")
    target = (host, int(port))
    counts = collections.Counter[str]()
    left = iter(range(number))

    async def client() -> None:
        for _ in left:
            try:
                async with asyncio.timeout(PATIENCE):
                    counts[await visit(target)] += 1
            except TimeoutError:
                counts["late"] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(client())
    sys.stdout.write(json.dumps(counts))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
