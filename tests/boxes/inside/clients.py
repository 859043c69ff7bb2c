"""Talk to an echo service with many clients at once until told to stop.

Runs inside a box with the box's own Python; it knows nothing of the project. Each client
connects, sends a first part, waits for its echo, sends the rest, and reads it to the end.
Prints "ready" when every client has had its first answer. Each line of standard input is the
name of a new phase, and is answered with "ok"; "served" is, with the number of conversations
that were. At the end of standard input, prints as JSON how the conversations ended, and for each
phase the time in milliseconds that 99 of 100 answers were there by; that of a connection's first
answer begins before it connects.

Arguments: HOST:PORT or a path, number of clients.
"""

import asyncio
import collections
import json
import os
import sys
import time

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


async def talk(address: str, times: list[float]) -> str:
    """Hold one conversation, note how long answers take, and return how it went."""
    start = time.perf_counter()
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
            now = time.perf_counter()
            times.append(now - start)
            start = now
        writer.write_eof()
        return "extra" if await reader.read() else "served"
    except (OSError, asyncio.IncompleteReadError) as error:
        begun = begun or bool(getattr(error, "partial", b""))
        return "cut" if begun else "unanswered"
    finally:
        writer.close()


def percentile(times: list[float]) -> float:
    """Return what 99 of 100 are not above, in milliseconds."""
    return 1000 * sorted(times)[int(len(times) * 0.99)] if times else 0.0


async def main(address: str, number: int) -> None:
    """Run the clients until standard input ends."""
    ended = asyncio.Event()
    counts = collections.Counter[str]()
    phases: dict[str, list[float]] = {"": []}
    times = phases[""]
    started = asyncio.Barrier(number + 1)

    async def client() -> None:
        first = True
        while not ended.is_set():
            try:
                async with asyncio.timeout(PATIENCE):
                    counts[await talk(address, times)] += 1
            except TimeoutError:
                counts["late"] += 1
            if first:
                await started.wait()
                first = False

    def say(text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    async with asyncio.TaskGroup() as group:
        for _ in range(number):
            group.create_task(client())
        await started.wait()
        say("ready")
        loop = asyncio.get_running_loop()
        while name := await loop.run_in_executor(None, sys.stdin.readline):
            if name == "served\n":
                say(str(counts["served"]))
                continue
            times = phases.setdefault(name.strip(), [])
            say("ok")
        ended.set()
    say(json.dumps({"counts": counts, "p99": {name: percentile(phases[name]) for name in phases}}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
