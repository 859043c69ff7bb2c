"""Accept=yes with /bin/cat: the local activator beside a booted systemd, in the same box.

Both run the same service and are asked by the same client, which has eight connections at once.
"""

from collections.abc import Iterator

import boxes
import compare

from tests.boxes.needs import missing_for_boxes

SUITES = ("bookworm", "trixie", "sid")
ROUNDS = 5
SECONDS = 1.5
CLIENTS = 8
BAR = 3
OURS, THEIRS = "ours", "theirs"
PORTS = {OURS: 7001, THEIRS: 7002}
SOCKET = """\
[Socket]
ListenStream=127.0.0.1:{port}
Accept=yes
Backlog=512
MaxConnections=256
TriggerLimitBurst=0
PollLimitBurst=0
"""
SERVICE = "[Service]\nExecStart=/bin/cat\nStandardInput=socket\n"


def rows() -> Iterator[compare.Row]:
    """Yield a comparison for each version of systemd."""
    if missing := missing_for_boxes():
        raise SystemExit(missing)
    for suite in SUITES:
        rates: dict[str, list[float]] = {name: [] for name in PORTS}
        with boxes.booted(suite) as box:
            version = box.version
            for name, port in PORTS.items():
                folder = "/etc/systemd/system" if name == THEIRS else "/root/local"
                box.write(f"{folder}/{name}.socket", SOCKET.format(port=port))
                box.write(f"{folder}/{name}@.service", SERVICE)
            box.systemctl("daemon-reload")
            box.systemctl("start", f"{THEIRS}.socket")
            box.run(
                "systemd-run", "--unit=bench-local", "--property=StandardOutput=null",
                box.python, "-m", "activator", "run", f"/root/local/{OURS}.socket",
            )  # fmt: skip
            box.run(box.python, "-m", "activator", "wait-for", f"127.0.0.1:{PORTS[OURS]}")
            for turn in range(ROUNDS + 1):
                for name, port in PORTS.items():
                    seconds = SECONDS if turn else 0.2
                    answered, took, *_ = boxes.load(box, port, CLIENTS, seconds)
                    if turn:
                        rates[name].append(answered / took)
            box.systemctl("stop", "bench-local.service", f"{THEIRS}.socket", check=False)
        yield compare.compared(
            f"Accept=yes connections: activator run / systemd {version}",
            rates[OURS],
            rates[THEIRS],
            BAR,
            better=compare.HIGHER,
            unit="/s",
        )


if __name__ == "__main__":
    compare.main(rows)
