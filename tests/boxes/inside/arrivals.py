"""Come to an echo service in groups, each around the moment when it has been idle for a while.

Runs inside a box with the box's own Python; it knows nothing of the project. Each client of
a group connects at a random moment, from half to one and a half times the idle time after the
last answer, sends a line and reads the echo to its end. Prints how they ended, as JSON.

Arguments: HOST:PORT, how many in all, how many in a group, the idle time in seconds.
"""

import asyncio
import collections
import json
import random
import sys

PATIENCE = 60.0


async def visit(host: str, port: int, pause: float) -> str:
    """Come once, after a pause; return how it went."""
    await asyncio.sleep(pause)
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError:
        return "refused"
    try:
        writer.write(b"hello\n")
        writer.write_eof()
        return "served" if await reader.read() == b"hello\n" else "unanswered"
    except OSError:
        return "reset"
    finally:
        writer.close()


async def patient(host: str, port: int, pause: float) -> str:
    """Come once, and do not wait for ever."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await visit(host, port, pause)
    except TimeoutError:
        return "late"


async def main(address: str, number: int, group: int, idle: float) -> None:
    """Send one group after the other."""
    host, _, port = address.rpartition(":")
    counts = collections.Counter[str]()
    for _ in range(number // group):
        pauses = [random.uniform(0.5, 1.5) * idle for _ in range(group)]
        visits = (patient(host, int(port), pause) for pause in pauses)
        counts.update(await asyncio.gather(*visits))
    sys.stdout.write(json.dumps(counts))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
