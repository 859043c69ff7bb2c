"""Be more clients than a service has descriptors, each of which stays for a while.

Runs inside a box with the box's own Python; it knows nothing of the project. All connect at
once; each sends a line, waits for its echo, stays, and leaves. Prints "full" when none has been
answered for a while and, at the end, as JSON how they ended and how many had been answered and
not left at most.

Arguments: HOST:PORT, number of clients, how long each stays, in seconds.
"""

import asyncio
import collections
import json
import sys

PATIENCE = 120.0


async def main(address: str, number: int, stay: float) -> None:
    """Send all clients."""
    host, _, port = address.rpartition(":")
    counts = collections.Counter[str]()
    inside = most = 0

    async def visit() -> str:
        nonlocal inside, most
        try:
            reader, writer = await asyncio.open_connection(host, int(port))
        except OSError:
            return "refused"
        try:
            writer.write(b"hello\n")
            if await reader.readline() != b"hello\n":
                return "unanswered"
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(stay)
            inside -= 1
            writer.write_eof()
            return "extra" if await reader.read() else "served"
        except OSError:
            return "reset"
        finally:
            writer.close()

    async def patient() -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                counts[await visit()] += 1
        except TimeoutError:
            counts["late"] += 1

    async def watch() -> None:
        before = -1
        while not inside or inside != before:
            before = inside
            await asyncio.sleep(stay / 8)
        sys.stdout.write("full\n")
        sys.stdout.flush()

    await asyncio.gather(watch(), *(patient() for _ in range(number)))
    sys.stdout.write(json.dumps({"counts": counts, "most": most}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
