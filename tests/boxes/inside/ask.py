"""Ask services at UNIX sockets, several at once, and print their answers as JSON.

Runs inside a box with the box's own Python; it knows nothing of the project.
Standard input: a list of [path, [question, ...]]; the answers have the same form.
"""

import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor

AT_ONCE = 4
PATIENCE = 120.0


def ask(job: tuple[str, list[str]]) -> list[str]:
    """Return the answers of one service; too few if it ended before."""
    path, questions = job
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(PATIENCE)
        try:
            peer.connect(path)
            peer.sendall("".join(f"{question}\n" for question in questions).encode())
            peer.shutdown(socket.SHUT_WR)
            with peer.makefile() as stream:
                return stream.read().splitlines()
        except OSError as error:
            return [f"no answer: {error}"] * len(questions)


if __name__ == "__main__":
    with ThreadPoolExecutor(AT_ONCE) as pool:
        print(json.dumps(list(pool.map(ask, json.load(sys.stdin)))))  # noqa: T201
