"""Ask a web server for a page, again and again, until standard input ends.

Knows nothing of the project. Half of the clients keep their connection, and come again where it
was closed between two answers, as HTTP has it; the others take a new one each time. Prints "ready"
when each has had an answer; at the end, as JSON, how often what happened, and what the pages said.

Arguments: HOST:PORT, number of clients of each kind.
"""

import collections
import http.client
import json
import sys
import threading
import time

# A client that has waited so long for an answer counts as lost: seconds.
PATIENCE = 60.0
# Between two requests of a client, in seconds: the hosts share a machine with others.
PAUSE = 0.02


def ask(connection: http.client.HTTPConnection, said: set[str]) -> str:
    """Ask once; return how it went."""
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        said.add(f"{answer.status} {answer.read().decode()}")
    except ConnectionRefusedError:
        return "refused"
    except (ConnectionError, http.client.RemoteDisconnected):
        return "closed"
    except OSError as error:
        return f"lost: {error}"
    return "served"


def client(address: str, *, keeps: bool, ended: threading.Event, first: threading.Barrier) -> None:
    """Ask until it is over."""
    connection = http.client.HTTPConnection(address, timeout=PATIENCE)
    fresh = True
    waiting = True
    while not ended.is_set():
        result = ask(connection, SAID)
        if result == "closed" and not fresh:
            result = "closed while idle"
        COUNTS[f"{'kept' if keeps else 'short'}: {result}"] += 1
        fresh = not keeps or result != "served"
        if fresh:
            connection.close()
        time.sleep(PAUSE)
        if waiting and result == "served":
            first.wait()
            waiting = False


COUNTS = collections.Counter[str]()
SAID: set[str] = set()


def main(address: str, number: int) -> None:
    """Run the clients."""
    ended = threading.Event()
    first = threading.Barrier(2 * number + 1)
    threads = [
        threading.Thread(
            target=client,
            args=(address,),
            kwargs={"keeps": keeps, "ended": ended, "first": first},
            daemon=True,
        )
        for keeps in (True, False)
        for _ in range(number)
    ]
    for thread in threads:
        thread.start()
    first.wait()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()
    ended.set()
    for thread in threads:
        thread.join()
    sys.stdout.write(json.dumps({"counts": COUNTS, "said": sorted(SAID)}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
