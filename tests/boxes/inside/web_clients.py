"""Talk to a web server with many clients at once, each on a connection that it keeps open.

Runs inside a box with the box's own Python; it knows nothing of the project. A client closes
its connection when an answer says so, and at no other time. Prints "ready" when every client
has had its first answer, for each line of standard input how many requests have been answered,
and, at its end, what happened, as JSON.

Arguments: HOST:PORT or a path, number of clients.
"""

import asyncio
import collections
import json
import sys

REQUEST = b"GET / HTTP/1.1\r\nHost: box\r\n\r\n"
# A client that has waited so long for an answer counts as lost: seconds.
PATIENCE = 60.0

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(address: str) -> Streams:
    """Connect to HOST:PORT or to a path."""
    if address.startswith("/"):
        return await asyncio.open_unix_connection(address)
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def ask(streams: Streams) -> tuple[str, bool]:
    """Make one request; return how it went, and whether the connection stays."""
    reader, writer = streams
    try:
        writer.write(REQUEST)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if not head.startswith(b"http/1.1 200"):
            return head.split(b"\r\n")[0].decode(), False
        length = head.partition(b"content-length:")[2].split(b"\r\n")[0]
        await reader.readexactly(int(length))
    except (OSError, asyncio.IncompleteReadError) as error:
        return "cut" if getattr(error, "partial", b"") else "unanswered", False
    return "served", b"connection: close" not in head


async def answer(counts: collections.Counter[str]) -> None:
    """Tell who has started this what it wants to know, until it has heard enough."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        sys.stdout.write(f"{counts['served']}\n")
        sys.stdout.flush()


async def main(address: str, number: int) -> None:
    """Run the clients until standard input ends."""
    ended = asyncio.Event()
    counts = collections.Counter[str]()
    started = asyncio.Barrier(number + 1)

    async def client() -> None:
        streams = None
        first = True
        while not ended.is_set():
            if streams is None:
                try:
                    streams = await connect(address)
                except OSError:
                    counts["refused"] += 1
                    continue
            try:
                async with asyncio.timeout(PATIENCE):
                    outcome, stays = await ask(streams)
            except TimeoutError:
                outcome, stays = "late", False
            counts[outcome] += 1
            if not stays:
                streams[1].close()
                streams = None
                counts["closed"] += 1
            if first:
                await started.wait()
                first = False
        if streams:
            streams[1].close()

    async with asyncio.TaskGroup() as group:
        for _ in range(number):
            group.create_task(client())
        await started.wait()
        await answer(counts)
        ended.set()
    sys.stdout.write(json.dumps(counts))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
