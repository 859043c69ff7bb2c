"""Talk to an echo service with many clients at once until told to stop.

Runs inside a box with the box's own Python; it knows nothing of the project. Each client
connects, sends a first part, waits for its echo, sends the rest, and reads it to the end.
Prints "ready" when every client has had its first answer and, at the end of standard input,
what happened, as JSON.

Arguments: HOST:PORT or a path, number of clients.
"""

import asyncio
import collections
import json
import os
import sys

PARTS = 4
SIZE = 4096
# A client that has waited so long for an answer counts as lost: seconds.
PATIENCE = 60.0


async def connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to HOST:PORT or to a path."""
    if address.startswith("/"):
        return await asyncio.open_unix_connection(address)
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def talk(address: str) -> str:
    """Hold one conversation and return how it went."""
    try:
        reader, writer = await connect(address)
    except OSError:
        return "refused"
    begun = False
    try:
        for _ in range(PARTS):
            part = os.urandom(SIZE)
            writer.write(part)
            if part != await reader.readexactly(SIZE):
                return "wrong"
            begun = True
        writer.write_eof()
        return "extra" if await reader.read() else "served"
    except (OSError, asyncio.IncompleteReadError) as error:
        begun = begun or bool(getattr(error, "partial", b""))
        return "cut" if begun else "unanswered"
    finally:
        writer.close()


async def main(address: str, number: int) -> None:
    """Run the clients until standard input ends."""
    ended = asyncio.Event()
    counts = collections.Counter[str]()
    started = asyncio.Barrier(number + 1)

    async def client() -> None:
        first = True
        while not ended.is_set():
            try:
                async with asyncio.timeout(PATIENCE):
                    counts[await talk(address)] += 1
            except TimeoutError:
                counts["late"] += 1
            if first:
                await started.wait()
                first = False

    async with asyncio.TaskGroup() as group:
        for _ in range(number):
            group.create_task(client())
        await started.wait()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        ended.set()
    sys.stdout.write(json.dumps(counts))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
