"""Units of other people: a pair as a Debian package has it, fitted in with drop-ins alone."""

import os
import shutil
import sys
from pathlib import Path

from activator.cli.demo.clients import ask
from activator.cli.demo.stage import Stage

QUOTE = "A socket held is a client kept."
OTHER = "Restarts are for services, not for clients."

SOCKET_DROPIN = """\
[Socket]
ListenStream=
ListenStream=127.0.0.1:{port}
"""
SERVICE_DROPIN = """\
[Service]
Environment=QUOTES={directory}/quotes
ExecStart=
ExecStart={python} {directory}/quoted $QUOTES
"""


def lay_out(stage: Stage) -> None:
    """Write the units as they are packaged, the daemon, its data, and drop-ins of an admin."""
    here = Path(__file__).parent
    folder = stage.directory / "package"
    folder.mkdir()
    for name in ("quoted.socket", "quoted.service"):
        shutil.copy(here / name, folder)
        stage.file(f"package/{name}")
    shutil.copy(here / "quoted.py", stage.directory / "quoted")
    stage.write("quotes", f"{QUOTE}\n")
    values = {"directory": stage.directory, "python": os.path.realpath(sys.executable)}
    port = SOCKET_DROPIN.format(port=stage.port(7781))
    stage.write("package/quoted.socket.d/port.conf", port, show=True)
    stage.write("package/quoted.service.d/place.conf", SERVICE_DROPIN.format(**values), show=True)


def act(stage: Stage) -> None:
    """Run the pair, and let the daemon reload."""
    lay_out(stage)
    with stage.run("package/quoted.socket") as run:
        ignored = run.wait_for("ignored")["directives"]
        stage.text(f"ignored here, as there is no systemd to do it: {', '.join(ignored)}")
        first = ask(run.addresses[0], "")
        stage.expect(first == f"{QUOTE} (qotd)", f"the answer was {first!r}")
        stage.text(repr(first))
        ready = run.wait_for("ready")
        status = run.wait_for("status")
        stage.text(f"process {ready['pid']} has said READY=1 and STATUS={status['text']}")
        stage.write("quotes", f"{OTHER}\n")
        stage.control("reload", "quoted")
        second = ask(run.addresses[0], "")
        stage.expect(second == f"{OTHER} (qotd)", f"the answer was {second!r}")
        stage.text(repr(second))
        stage.expect(run.pids.count(ready["pid"]) == 1, "it was restarted")
