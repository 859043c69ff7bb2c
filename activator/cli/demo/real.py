"""The last act, where a systemd runs: it starts the very units that ran without it.

As root that is the system's manager, otherwise the user's. The units have a name of their own and
are where a reboot would take them away; they are removed at once.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from activator.cli.demo.clients import ask
from activator.cli.demo.foreign import OTHER, QUOTE, lay_out
from activator.cli.demo.stage import Stage
from activator.local.activated import PATIENCE, Address

ANSWERS = (f"{QUOTE} (qotd)", f"{OTHER} (qotd)")  # before and after the act of the reload
NAME = "activator-demo-quoted"
RUNNING = ("running", "degraded", "starting")


class Manager(NamedTuple):
    """A running systemd.

    Attributes:
        systemctl: How it is spoken to.
        units: Where it has units that a reboot takes away.
    """

    systemctl: tuple[str, ...]
    units: Path

    def do(self, *words: str) -> str:
        """Call systemctl, and return the first line that it has printed."""
        done = subprocess.run(
            [*self.systemctl, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
            timeout=PATIENCE,
        )
        return next(iter((done.stdout + done.stderr).splitlines()), "")


def find() -> Manager | None:
    """Return the systemd that we may ask to run something, None if there is none."""
    if not shutil.which("systemctl") or not Path("/run/systemd/system").is_dir():
        return None
    if os.geteuid() == 0:
        manager = Manager(("systemctl",), Path("/run/systemd/system"))
    elif directory := os.environ.get("XDG_RUNTIME_DIR"):
        manager = Manager(("systemctl", "--user"), Path(directory) / "systemd/user")
    else:
        return None
    return manager if manager.do("is-system-running") in RUNNING else None


@contextmanager
def installed(stage: Stage, manager: Manager) -> Iterator[None]:
    """Have the units of the act before in systemd, for the body."""
    made = []
    try:
        for path in sorted((stage.directory / "package").iterdir()):
            target = manager.units / path.name.replace("quoted", NAME, 1)
            made.append(target)
            (shutil.copytree if path.is_dir() else shutil.copyfile)(path, target)
        manager.do("daemon-reload")
        yield
    finally:
        manager.do("stop", f"{NAME}.socket", f"{NAME}.service")
        for path in made:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        manager.do("daemon-reload")
        manager.do("reset-failed", f"{NAME}.socket", f"{NAME}.service")


def act(stage: Stage) -> None:
    """Start the socket with systemctl, and be its first client."""
    manager = find()
    if manager is None:
        stage.text("not shown: no systemd runs here; `make test` as root boots three")
        return
    manager.units.mkdir(parents=True, exist_ok=True)
    stage.have("package", lay_out)
    text = (stage.directory / "package/quoted.socket.d/port.conf").read_text()
    address = Address(f"{NAME}.socket", "ListenStream", text.rpartition("=")[2].strip())
    with installed(stage, manager):
        version = manager.do("--version")
        stage.typed(f"{' '.join(manager.systemctl)} start {NAME}.socket    # {version}")
        said = manager.do("start", f"{NAME}.socket")
        stage.expect(not said, f"systemctl said: {said}")
        stage.text(f"the files of package/ as {NAME}, in {manager.units}")
        answer = ask(address, "")
        stage.expect(answer in ANSWERS, f"the answer was {answer!r}")
        stage.text(repr(answer))
        pid = manager.do("show", "--property=MainPID", "--value", f"{NAME}.service")
        stage.expect(pid not in ("", "0"), "systemd knows no process of it")
        stage.text(f"process {pid} was started for it, by systemd")
    stage.expect(not Path(f"/proc/{pid}").exists(), f"process {pid} is left")
    stage.text("stopped and removed again")
