"""A fleet for tests: booted hosts of three systemds on one network, and Ansible beside them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.boxes.loads import INSIDE
from tests.boxes.network import Host, Network
from tests.support.tree import ROOT

Told = dict[str, Any]
Run = subprocess.CompletedProcess[str]
PORT = 7700
# As docs/fleet.md has it: a host that is gone is noticed.
ALIVE = "-o ServerAliveInterval=5 -o ServerAliveCountMax=3"
# A shop that says its version; on its way out it ends idle connections, and answers all others.
SHOP = '''\
"""A shop."""

import asyncio

import activator

VERSION = "v1"


async def shop(reader, writer):
    """Answer each request with the version."""
    draining = asyncio.ensure_future(drained())
    first = True
    while True:
        asked = asyncio.ensure_future(reader.readuntil(b"\\r\\n\\r\\n"))
        await asyncio.wait([asked] if first else [asked, draining], return_when="FIRST_COMPLETED")
        if not asked.done():
            asked.cancel()
            break
        if asked.exception():
            break
        first = False
        last = activator.draining.is_set()
        head = b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n"
        writer.write(head + (b"Connection: close\\r\\n\\r\\n" if last else b"\\r\\n"))
        writer.write(VERSION.encode())
        await writer.drain()
        if last:
            break
    draining.cancel()


async def drained():
    """Wait until the service drains."""
    await activator.draining
'''
SPEC = {
    "name": "shop",
    "handler": "shop:shop",
    "python": Host.python,
    "app-dir": "/srv/shop/current",
    "drain": 20,
    "sockets": {"shop": {"ListenStream": f"0.0.0.0:{PORT}"}},
}
ROLLOUT = "- import_playbook: activator.systemd.rollout\n"
# Variables of all roll-outs.
GIVEN: Told = {
    "rollout_name": "shop",
    "rollout_spec": SPEC,
    "rollout_health_url": f"http://{{{{ ansible_host }}}}:{PORT}/",
    "rollout_health_from": "localhost",
    "rollout_health_retries": 2,
    "rollout_canary_checks": 2,
}


class Fleet:
    """Hosts that Ansible drives, and this machine as their controller.

    Args:
        network: Their network.
        hosts: The hosts, which run.
        directory: Where Ansible has its files.

    Attributes:
        environment: The variables that Ansible is run with.
    """

    def __init__(self, network: Network, hosts: list[Host], directory: Path) -> None:
        self.network = network
        self.hosts = hosts
        self.directory = directory
        collections = directory / "collections/ansible_collections/activator"
        collections.mkdir(parents=True)
        (collections / "systemd").symlink_to(ROOT / "packaging/ansible")
        key = directory / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        public = key.with_suffix(".pub").read_text()
        lines = []
        for host in hosts:
            host.write("/root/.ssh/authorized_keys", public, mode=0o600)
            lines.append(f"{host.suite} ansible_host={host.address}")
        # No file of this machine is looked at.
        ssh = f"-F /dev/null -i {key} -o UserKnownHostsFile=/dev/null"
        self._masters = directory / "ssh"
        self._inventory = directory / "hosts"
        self._inventory.write_text(
            "\n".join([*lines, "[all:vars]", "ansible_user=root", f"ansible_ssh_common_args={ssh}"])
            + f"\nansible_python_interpreter={Host.python}\n"
        )
        self.environment = {
            "ANSIBLE_COLLECTIONS_PATH": str(directory / "collections"),
            "ANSIBLE_HOME": str(directory / "home"),
            "ANSIBLE_HOST_KEY_CHECKING": "0",
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_SSH_ARGS": f"-o ControlMaster=auto -o ControlPersist=600 {ALIVE}",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self._masters),
            "ANSIBLE_TIMEOUT": "60",
            "HOME": str(directory),
            "LANG": "C.UTF-8",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Have no connection to a host stay behind."""
        for path in self._masters.glob("*") if self._masters.is_dir() else ():
            words = ("ssh", "-F", "/dev/null", "-S", str(path), "-O", "exit", "host")
            subprocess.run(words, capture_output=True, check=False, timeout=60)

    def call(self, *argv: str, inventory: str = "", timeout: float = 600) -> Run:
        """Run a program of Ansible, found through PATH, in the network."""
        with self.start(*argv, inventory=inventory) as process:
            try:
                output, errors = process.communicate(timeout=timeout)
            except BaseException:
                process.kill()
                raise
        return subprocess.CompletedProcess(argv, process.returncode, output, errors)

    def start(self, *argv: str, inventory: str = "") -> "subprocess.Popen[str]":
        """Start a program of Ansible as :meth:`call` does, in a session of its own."""
        words = [argv[0], "--inventory", inventory or str(self._inventory), *argv[1:]]
        return self.network.popen(
            *words,
            env=self.environment,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def module(self, name: str, arguments: Told, *flags: str, at: str = "all") -> dict[str, Told]:
        """Run a module on hosts, and return what it tells of each."""
        tree = self.directory / "tree"
        words = ["--module-name", f"activator.systemd.{name}", "--args", json.dumps(arguments)]
        # Differences are left out of what it writes, unless it is to tell much.
        words += ["-vvv"] if "--diff" in flags else []
        done = self.call("ansible", at, *words, "--tree", str(tree), *flags)
        try:
            found = {path.name: json.loads(path.read_text()) for path in tree.iterdir()}
        except FileNotFoundError:
            raise AssertionError(done.stdout + done.stderr) from None
        for path in tree.iterdir():
            path.unlink()
        return found

    def playbook(self, text: str, *flags: str, before: str = "") -> Run:
        """Run a playbook.

        Args:
            text: The playbook.
            flags: What else ansible-playbook is told.
            before: The address of one more host, which comes before all others.
        """
        inventory = self.directory / "more"
        first = f"{before} ansible_host={before}\n" if before else ""
        inventory.write_text(first + self._inventory.read_text())
        return self.call("ansible-playbook", self.play(text), *flags, inventory=str(inventory))

    def play_rollout(self, *flags: str) -> "subprocess.Popen[str]":
        """Start a roll-out; the caller ends it."""
        return self.start("ansible-playbook", self.play(ROLLOUT), *flags)

    def play(self, text: str) -> str:
        """Return the path of a file that has a playbook."""
        path = self.directory / "play.yml"
        path.write_text(text)
        return str(path)

    def roll_out(self, given: Told, version: str, text: str, *flags: str, before: str = "") -> Run:
        """Roll a version of the shop out, to all hosts unless flags of ansible-playbook differ."""
        return self.playbook(ROLLOUT, *self.words(given, version, text), *flags, before=before)

    def words(self, given: Told, version: str, text: str) -> tuple[str, str]:
        """Return the words that tell ansible-playbook what to roll out.

        Args:
            given: Variables of the role.
            version: What it is called, and what the shop must say.
            text: The shop's code, of version 1.
        """
        more = {
            "rollout_release": str(self.release(version, text)),
            "rollout_version": version,
            "rollout_health_content": version,
        }
        return "--extra-vars", json.dumps(GIVEN | more | given)

    def release(self, version: str, text: str = SHOP) -> Path:
        """Return a directory that has a version of the shop."""
        base = self.directory / "releases" / version
        base.mkdir(parents=True, exist_ok=True)
        (base / "shop.py").write_text(text.replace("v1", version))
        return base

    def ask(self, host: Host, port: int = PORT) -> str:
        """Return what the shop of a host says."""
        url = f"http://{host.address}:{port}/"
        words = self.network.enter("curl", "--silent", "--show-error", "--max-time", "60", url)
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        return done.stdout or done.stderr

    @contextmanager
    def shoppers(self, address: str, number: int = 4) -> Iterator["Shoppers"]:
        """Have clients ask in the body, from outside of the hosts."""
        words = (sys.executable, str(INSIDE / "shoppers.py"), address, str(number))
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with self.network.popen(*words, **pipes) as process:
            try:
                assert process.stdout
                assert "ready\n" == process.stdout.readline()
                yield Shoppers(process)
            finally:
                process.kill()


class Shoppers:
    """Clients that come from outside."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def end(self) -> tuple[dict[str, int], list[str]]:
        """Have them end; return how often what happened, and what they were told."""
        output, _ = self._process.communicate(timeout=300)
        told = json.loads(output)
        return told["counts"], told["said"]
