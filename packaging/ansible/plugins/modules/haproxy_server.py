#!/usr/bin/python
"""Drain a server of HAProxy, or have it ready, by the runtime socket."""

from __future__ import annotations

DOCUMENTATION = r"""
module: haproxy_server
short_description: Drain a server of HAProxy, and have it back
description:
  - Speaks with HAProxy by its runtime socket, which needs C(level admin). Run it on the host that
    has HAProxy, as with C(delegate_to).
version_added: 0.1.0
author:
  - The authors of systemd-activator (@systemd-activator)
options:
  socket:
    description:
      - The path of the runtime socket.
    type: path
    required: true
  server:
    description:
      - The server, as C(BACKEND/SERVER).
    type: str
    required: true
  state:
    description:
      - With C(drain), no new client is led to the server, and the module waits for those that are
        there. With C(ready), clients are led there again.
    type: str
    choices: [drain, ready]
    required: true
  seconds:
    description:
      - How long C(drain) waits for the clients to go. Those that stay are left to the service's own
        drain.
    type: int
    default: 60
attributes:
  check_mode:
    description: Tells whether the state would change.
    support: full
  diff_mode:
    description: It has no text to show.
    support: none
  platform:
    description: Where it works.
    support: full
    platforms: linux
"""

EXAMPLES = r"""
- name: Lead no new client to this host
  activator.systemd.haproxy_server:
    socket: /run/haproxy/admin.sock
    server: web/{{ inventory_hostname }}
    state: drain
  delegate_to: balancer
"""

RETURN = r"""
connections:
  description: How many clients the server has.
  returned: success
  type: int
  sample: 0
"""

import csv
import socket
import time

from ansible.module_utils.basic import AnsibleModule

ARGUMENTS = {
    "socket": {"type": "path", "required": True},
    "server": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["drain", "ready"], "required": True},
    "seconds": {"type": "int", "default": 60},
}
ANSWER_S = 10
INTERVAL_S = 0.2


def main():
    """Do what the task asks for."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    wanted, server = module.params["state"], module.params["server"]
    row = found(module)
    changed = (wanted == "drain") != row["status"].startswith("DRAIN")
    if changed and not module.check_mode:
        if said := call(module, f"set server {server} state {wanted}").strip():
            module.fail_json(msg=f"HAProxy: {said.splitlines()[0]}")
        deadline = time.monotonic() + module.params["seconds"]
        row = found(module)
        while wanted == "drain" and int(row["scur"]) and time.monotonic() < deadline:
            time.sleep(INTERVAL_S)
            row = found(module)
    module.exit_json(changed=changed, connections=int(row["scur"]))


def found(module):
    """Return what HAProxy tells of the server."""
    backend, _, name = module.params["server"].partition("/")
    lines = call(module, "show stat").lstrip("# ").splitlines()
    for row in csv.DictReader(lines):
        if (row.get("pxname"), row.get("svname")) == (backend, name):
            return row
    module.fail_json(msg=f"HAProxy has no server {module.params['server']}")
    return None


def call(module, command):
    """Return what HAProxy answers."""
    path = module.params["socket"]
    answer = b""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWER_S)
            connection.connect(path)
            connection.sendall(command.encode() + b"\n")
            while chunk := connection.recv(65536):
                answer += chunk
    except OSError as error:
        reason = error.strerror or str(error)
        module.fail_json(msg=f"{path}: HAProxy cannot be asked: {reason}")
    return answer.decode(errors="replace")


if __name__ == "__main__":
    main()
