"""Run other people's sockets with `activator run` and be a client of each daemon.

Runs in a root that has the daemons. Prints one JSON object: socket unit → what came back, and
under the empty name all that `activator run` has said.
"""

import json
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable

PATIENCE = 60.0
HOST = "127.0.0.1"


def say(port: int, request: bytes = b"", enough: bytes = b"") -> str:
    """Send a request to a port and return the answer, up to its end or what is enough."""
    with socket.create_connection((HOST, port), PATIENCE) as client:
        client.sendall(request)
        answer = b""
        while chunk := client.recv(65536):
            answer += chunk
            if enough and enough in answer:
                break
    return answer.decode(errors="replace")


def http(port: int, path: str = "/") -> str:
    """Return what comes for a GET."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    return say(port, request.encode(), b"\r\n\r\n")


def run(*command: str) -> str:
    """Return what a program prints."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    return done.stdout + done.stderr


def fastcgi(path: str, script: str) -> str:
    """Ask a FastCGI server to run a script, and return what it wrote."""

    def record(kind: int, content: bytes) -> bytes:
        return struct.pack(">BBHHBB", 1, kind, 1, len(content), 0, 0) + content

    params = b""
    for name, value in {"SCRIPT_FILENAME": script, "REQUEST_METHOD": "GET"}.items():
        params += struct.pack("BB", len(name), len(value)) + name.encode() + value.encode()
    request = record(1, struct.pack(">HB5x", 1, 0)) + record(4, params) + record(4, b"")
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        client.connect(path)
        client.sendall(request + record(5, b""))
        answer = b""
        while chunk := client.recv(65536):
            answer += chunk
    return answer.decode(errors="replace")


def script() -> str:
    """Write a CGI script."""
    path = "/var/www/hello"
    with open(path, "w", encoding="ascii") as file:  # noqa: PTH123 - no pathlib needed
        file.write("#!/bin/sh\necho 'Content-Type: text/plain'\necho\necho hello from $USER\n")
    subprocess.run(["chmod", "755", path], check=True)
    return path


CLIENTS: dict[str, Callable[[], str]] = {
    "approx.socket": lambda: http(9999),
    "fcgiwrap.socket": lambda: fastcgi("/run/fcgiwrap.socket", script()),
    "gpsd.socket": lambda: say(2947, enough=b"VERSION"),
    "micro-httpd.socket": lambda: http(80),
    "oidentd.socket": lambda: say(113, b"1, 2\r\n", b"\r\n"),
    "pcscd.socket": lambda: run("/usr/bin/python3", "-c", PCSC),
    "rpcbind.socket": lambda: run("/usr/sbin/rpcinfo", "-p", HOST),
    "ssh.socket": lambda: say(22, enough=b"\n"),
    "tangd.socket": lambda: http(8080, "/adv"),
    "uucp.socket": lambda: say(540, enough=b":"),
    "uuidd.socket": lambda: run("/usr/sbin/uuidd", "--random"),
}
# Asks pcscd for its protocol's version: a header of size and command, then the version.
PCSC = """
import socket, struct
sock = socket.socket(socket.AF_UNIX)
sock.settimeout(20)
sock.connect("/run/pcscd/pcscd.comm")
sock.sendall(struct.pack("II", 12, 0x11) + struct.pack("iiI", 4, 4, 0))
print("version", struct.unpack("iiI", sock.recv(12)))
"""


def main(names: list[str]) -> None:
    """Run the sockets that are named, one client each."""
    process = subprocess.Popen(
        [sys.executable, "-m", "activator", "run", "--log", "json", *names],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line.rstrip())
        if '"kind": "open"' in line:
            break
    found = {}
    if process.poll() is None:
        for name in names:
            try:
                found[name] = CLIENTS[name]()
            except OSError as error:
                found[name] = f"{type(error).__name__}: {error}"
        time.sleep(0.2)
        process.terminate()
    rest, _ = process.communicate(timeout=PATIENCE)
    found["left"] = run("/bin/sh", "-c", "ls /proc | grep -c '^[0-9]'")
    found["status"] = str(process.returncode)
    found[""] = "\n".join([*said, rest])
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
