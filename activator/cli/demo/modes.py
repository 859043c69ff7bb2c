"""Both modes: one process for all connections, and a process for each."""

import time

from activator.cli.demo import generating
from activator.cli.demo.clients import NAME, ask
from activator.cli.demo.generating import UNIT, spec
from activator.cli.demo.stage import Stage, end_of
from activator.local.activated import Address, Run

EXPECTED = f"Hello, {NAME}!"

# No Python in it, and nothing that knows of sockets: a service as inetd had them.
WHO_SOCKET = """\
[Socket]
ListenStream=127.0.0.1:{port}
Accept=yes
"""
WHO_SERVICE = """\
[Service]
ExecStart=/bin/sh -c 'read name; echo "$name, you are $REMOTE_ADDR:$REMOTE_PORT"'
StandardInput=socket
"""


def shared(stage: Stage) -> None:
    """Let three clients of one process be answered."""
    stage.have(UNIT, generating.act)
    with stage.run(UNIT) as run:
        stage.expect(not run.pids, "a process runs before the first client")
        stage.text("no process runs before the first client")
        tcp, unix = run.addresses
        for number, address in enumerate((tcp, tcp, unix), 1):
            stage.step(f"client {number} asks {address.text}")
            _greet(stage, address)
            run.wait_for("started")
            stage.expect(len(run.pids) == 1, f"processes {run.pids} were started for all")
            what = "was started for it" if number == 1 else "runs already"
            stage.text(f"process {run.pids[0]} {what}")
        shown = stage.control("status")
        stage.expect(str(run.pids[0]) in shown, "the process is not in the status")


def per_connection(stage: Stage) -> None:
    """Let connections have processes of their own, of a handler and of a shell command."""
    stage.have(UNIT, generating.act)
    text = spec(stage, "hello-each", "per-connection", 7778)
    stage.write("hello-each.toml", text)
    stage.command("gen", "hello-each.toml", "-o", "each")
    stage.write("each/who.socket", WHO_SOCKET.format(port=stage.port(7780)), show=True)
    stage.write("each/who@.service", WHO_SERVICE, show=True)
    with stage.run("each/") as run:
        each = run.address("hello-each")
        for number in (1, 2):
            stage.step(f"client {number} asks {each.text}")
            _greet(stage, each)
            started = run.wait_for("started", count=number)
            stage.expect(len(run.pids) == number, f"processes {run.pids} were started")
            end_of(run, started["pid"])
            stage.text(f"process {started['pid']} was started for it alone, and has ended with it")
        for source in ("127.0.0.1", "127.0.0.2"):
            _who(stage, run, source)


def _greet(stage: Stage, address: Address) -> None:
    """Ask, and show the answer and how long it took."""
    start = time.monotonic()
    answer = ask(address)
    took = time.monotonic() - start
    stage.expect(answer == EXPECTED, f"{address.text} has answered {answer!r}")
    stage.text(f"{answer!r} after {took * 1000:.0f} ms")


def _who(stage: Stage, run: Run, source: str) -> None:
    """Ask who we are, coming from an address."""
    stage.step(f"a client from {source} asks who it is")
    answer = ask(run.address("who"), source=source)
    stage.expect(answer.startswith(f"{NAME}, you are {source}:"), f"the answer was {answer!r}")
    stage.text(repr(answer))
