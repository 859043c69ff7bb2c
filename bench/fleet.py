"""What grows with a fleet: a roll-out's time by hosts, forks and serial, and a batch of specs.

``python bench/fleet.py hosts 50 --forks 20 --serial 10`` has Ansible drive so many hosts, all of
them this machine by its local connection, with a stub in activator's place that takes SECONDS.
What is measured is Ansible and the modules; ssh comes on top. ``python bench/fleet.py specs 10000``
generates specs for systemd 252, 257 and 262 in turn. Neither is part of `make bench`.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
SECONDS = 1.0  # a restart with its health check, as on hosts of the tests
VERSIONS = (252, 257, 262)
TOLD = {"name": "shop", "steps": [], "units": [], "notes": [], "errors": []}
PLAY = """\
- hosts: all
  gather_facts: false
  serial: {serial}
  tasks:
    - activator.systemd.service:
        executable: {stub}
        spec:
          name: shop
          handler: "shop:shop"
          sockets: {{shop: {{ListenStream: 8080}}}}
"""


def hosts(number: int, forks: int, serial: str) -> str:
    """Roll out to so many hosts, and tell how long it takes."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        collections = folder / "collections/ansible_collections/activator"
        collections.mkdir(parents=True)
        (collections / "systemd").symlink_to(ROOT / "packaging/ansible")
        stub = folder / "activator"
        stub.write_text(f"#!/bin/sh\nsleep {SECONDS}\necho '{json.dumps(TOLD)}'\n")
        stub.chmod(0o755)
        (folder / "play.yml").write_text(PLAY.format(serial=serial, stub=stub))
        local = f"ansible_connection=local ansible_python_interpreter={sys.executable}"
        names = "\n".join(f"host{count} {local}" for count in range(number))
        (folder / "hosts").write_text(names + "\n")
        begin = monotonic()
        done = subprocess.run(
            [BIN / "ansible-playbook", "-i", "hosts", "--forks", str(forks), "play.yml"],
            cwd=folder,
            env={
                **os.environ,
                "ANSIBLE_COLLECTIONS_PATH": str(folder / "collections"),
                "ANSIBLE_HOME": str(folder / "home"),
                "ANSIBLE_NOCOLOR": "1",
                "LANG": "C.UTF-8",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        took = monotonic() - begin
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = (used.ru_utime + used.ru_stime) / number
    each = f"{processor:.2f} s of processor each"
    return f"{number} hosts, {forks} forks, serial {serial}: {took:.0f} s, {each}"


def specs(number: int) -> str:
    """Generate so many specs for mixed versions, and tell time and memory."""
    text = (ROOT / "units/echo.toml").read_text()
    with tempfile.TemporaryDirectory() as scratch:
        paths = []
        for count in range(number):
            path = Path(scratch) / f"echo-{count}.toml"
            named = text.replace('name = "echo"', f'name = "echo-{count}"')
            address = named.replace("127.0.0.1:7777", f"/run/echo-{count}.tcp")
            address = address.replace("echo.sock", f"echo-{count}.sock")
            path.write_text(f"systemd = {VERSIONS[count % len(VERSIONS)]}\n{address}")
            paths.append(path)
        out = Path(scratch) / "units"
        begin = monotonic()
        subprocess.run(
            [BIN / "activator", "gen", *paths, "-o", out], check=True, stdout=subprocess.DEVNULL
        )
        took = monotonic() - begin
        made = len(list(out.iterdir()))
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = used.ru_utime + used.ru_stime
    peak = used.ru_maxrss / 1024
    return (
        f"{number} specs, {made} units: {took:.1f} s, {processor:.1f} s of processor, {peak:.0f} MB"
    )


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["hosts", "specs"])
    parser.add_argument("number", type=int)
    parser.add_argument("--forks", type=int, default=5)
    parser.add_argument("--serial", default="100%")
    given = parser.parse_args()
    if given.what == "hosts":
        sys.stdout.write(hosts(given.number, given.forks, given.serial) + "\n")
    else:
        sys.stdout.write(specs(given.number) + "\n")


if __name__ == "__main__":
    main()
