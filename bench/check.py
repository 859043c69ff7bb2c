"""The checker: start-up against `import click`, and 1,000 units against two peers.

``systemd-analyze verify`` reads one unit at a time: it is called once a unit, on a sample, and
scaled, since a thousand calls take half a minute. What it takes for all units in one call, in
which it tells each fault once and starts nothing twice, is shown without a bar. systemdlint is
measured where it is installed.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import compare
from installed import install

PAIRS = 500
SAMPLE = 20
SOCKET = """\
[Unit]
Description=Socket {number}

[Socket]
ListenStream=127.0.0.1:{port}
ListenStream=/run/app-{number}.sock
ReceiveBuffer=256K
SocketMode=0660
FileDescriptorName=main

[Install]
WantedBy=sockets.target
"""
SERVICE = """\
[Unit]
Description=Service {number}
Requires=app-{number}.socket

[Service]
Type=notify
ExecStart=/bin/true --number {number}
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
RestrictAddressFamilies=AF_UNIX
SystemCallFilter=@system-service
CapabilityBoundingSet=
MemoryMax=512M
"""


def rows() -> Iterator[compare.Row]:
    """Yield the comparisons."""
    with tempfile.TemporaryDirectory() as scratch:
        binaries = install(Path(scratch))
        activator, python = str(binaries / "activator"), str(binaries / "python")
        check = (activator, "check", "--systemd", "252", "--fail-on", "never")
        paths = write_units(Path(scratch) / "units", PAIRS)
        socket, service = write_units(Path(scratch) / "pair", 1)
        (Path(scratch) / "alone").mkdir()
        alone = shutil.copy(service, Path(scratch) / "alone")
        one, pair, click = compare.times(
            [
                compare.process(*check, alone),
                compare.process(*check, socket, service),
                compare.process(python, "-c", "import click"),
            ]
        )
        yield compare.compared("check of one service / import click", one, click, 1.3)
        yield compare.compared("check of a pair / import click", pair, click)
        count = len(paths)
        if verify := shutil.which("systemd-analyze"):
            options = ("verify", "--man=no")
            many, sample, whole = compare.times(
                [
                    compare.process(*check, *paths),
                    lambda: [compare.process(verify, *options, path)() for path in paths[:SAMPLE]],
                    compare.process(verify, *options, *paths),
                ],
                rounds=5,
            )
            each = [figure / SAMPLE * count for figure in sample]
            yield compare.compared(f"{count} units / verify, once a unit", many, each, 1 / 20)
            yield compare.compared(f"{count} units / verify, all in one call", many, whole)
        if linter := shutil.which("systemdlint"):
            many, peer = compare.times(
                [compare.process(*check, *paths), findings(linter, paths)], rounds=5
            )
            yield compare.compared(f"{count} units / systemdlint", many, peer, 1 / 5)


def findings(linter: str, paths: list[str]) -> Callable[[], object]:
    """Return a step that runs a linter, whatever it finds."""

    def step() -> None:
        quiet = subprocess.DEVNULL
        subprocess.run([linter, *paths], stdin=quiet, stdout=quiet, stderr=quiet, check=False)

    return step


def write_units(folder: Path, pairs: int) -> list[str]:
    """Write pairs of units that differ into a new folder, and return their paths."""
    folder.mkdir()
    paths = []
    for number in range(pairs):
        for kind, text in (("socket", SOCKET), ("service", SERVICE)):
            path = folder / f"app-{number}.{kind}"
            path.write_text(text.format(number=number, port=10_000 + number))
            paths.append(str(path))
    return paths


if __name__ == "__main__":
    compare.main(rows)
