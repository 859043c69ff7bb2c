"""Run a program with descriptors passed as the service manager does, or wrongly on purpose.

Called as ``python -S -I launch.py JSON PROGRAM...``; JSON has ``fds`` (descriptors to move to
3 and up), ``env`` (variables, ``PID`` in a value stands for this process), ``nofile`` (a limit on
open descriptors, or 0), and ``closed`` (descriptors that the program is to find closed).
"""

import json
import os
import resource
import sys


def main() -> None:
    """Arrange the descriptors and the environment, then become the program."""
    plan = json.loads(sys.argv[1])
    # First out of the way, so that none is overwritten before it is moved.
    moved = [os.dup(fd) for fd in plan["fds"]]
    high = [os.dup2(fd, 100 + index) for index, fd in enumerate(moved)]
    os.closerange(3, 100)
    for index, fd in enumerate(high):
        os.dup2(fd, 3 + index)
    os.closerange(100, 200)
    for name, value in plan["env"].items():
        os.environ[name] = value.replace("PID", str(os.getpid()))
    if plan["nofile"]:
        resource.setrlimit(resource.RLIMIT_NOFILE, (plan["nofile"], plan["nofile"]))
    for fd in plan["closed"]:
        os.close(fd)
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - becoming the program is the point


if __name__ == "__main__":
    main()
