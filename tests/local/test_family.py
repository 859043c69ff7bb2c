"""What services leave behind is found, however it hides."""

import os
import signal
import sys
from contextlib import suppress

from activator.local.services.family import Family

# It goes away and leaves a process that leaves another one, which stays.
DAEMON = """
import os, time
if os.fork():
    os._exit(0)
os.setsid()
pid = os.fork()
if pid:
    os.write(1, b"%d\\n" % pid)
    os._exit(0)
time.sleep(1000)
"""


def test_one_that_dies_while_we_look() -> None:
    """A child of a stray is found also if the stray dies between being listed and looked at."""
    family = Family()
    try:
        for _ in range(30):
            invocation = family.new_id()
            reading, writing = os.pipe()
            pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-S", "-E", "-c", DAEMON],
                {"INVOCATION_ID": invocation},
                file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1)],
            )
            os.close(writing)
            family.add(pid)
            os.waitpid(pid, 0)
            family.remove(pid)
            os.set_blocking(reading, False)
            told = b""
            while not told:
                assert family.strays([pid], invocation)
                with suppress(BlockingIOError):
                    told = os.read(reading, 100)
            os.close(reading)
            last = int(told)
            while family.strays([pid], invocation) != [last]:
                assert family.strays([pid], invocation)
            os.kill(last, signal.SIGKILL)
            os.waitpid(last, 0)
    finally:
        for pid in family.strays([], ""):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        family.close()
