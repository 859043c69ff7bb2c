#!/usr/bin/python
"""Drain servers of HAProxy, or have them ready, by the runtime socket."""

from __future__ import annotations

DOCUMENTATION = r"""
module: haproxy_server
short_description: Drain servers of HAProxy, and have them back
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
      - The server, as C(BACKEND/SERVER); several, where a host has one in each of some backends.
    type: list
    elements: str
    required: true
  state:
    description:
      - With C(drain), no new client is led to the servers, and the module waits for those that are
        there. With C(ready), clients are led there again. A server in maintenance stays so.
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
  description: How many clients the servers have.
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
    "server": {"type": "list", "elements": "str", "required": True},
    "state": {"type": "str", "choices": ["drain", "ready"], "required": True},
    "seconds": {"type": "int", "default": 60},
}
ANSWER_S = 10
INTERVAL_S = 0.2
# Bits of srv_admin_state, "Server's administrative state" of HAProxy's management guide: what was
# asked for, by the configuration or by the socket.
MAINTENANCE = 0x01 | 0x02
DRAIN = 0x08


def main():
    """Do what the task asks for."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    wanted = module.params["state"]
    servers = found(module)
    away = [name for name, server in servers.items() if is_to_change(server, wanted)]
    if not module.check_mode:
        for name in away:
            if said := call(module, f"set server {name} state {wanted}").strip():
                module.fail_json(msg=f"HAProxy: {said.splitlines()[0]}")
        deadline = time.monotonic() + module.params["seconds"]
        servers = found(module)
        while wanted == "drain" and connections(servers) and time.monotonic() < deadline:
            time.sleep(INTERVAL_S)
            servers = found(module)
    module.exit_json(changed=bool(away), connections=connections(servers))


def found(module):
    """Return what was asked of each server, and how many clients it has."""
    lines = call(module, "show stat").lstrip("# ").splitlines()
    rows = csv.DictReader(lines)
    clients = {f"{row.get('pxname')}/{row.get('svname')}": row.get("scur") for row in rows}
    # The status of the statistics is DOWN for a drained server whose check fails.
    _, head, *lines = call(module, "show servers state").splitlines() or ["", ""]
    names = head.lstrip("# ").split()
    asked = {}
    for line in lines:
        if row := dict(zip(names, line.split(), strict=False)):
            asked[f"{row['be_name']}/{row['srv_name']}"] = int(row["srv_admin_state"])
    for name in module.params["server"]:
        if name not in asked:
            module.fail_json(msg=f"HAProxy has no server {name}")
    return {name: (asked[name], int(clients[name])) for name in module.params["server"]}


def is_to_change(server, wanted):
    """Tell whether a server is not as wanted; one in maintenance is left there."""
    asked, _ = server
    return not asked & MAINTENANCE and (wanted == "drain") != bool(asked & DRAIN)


def connections(servers):
    """Return how many clients servers have."""
    return sum(clients for _, clients in servers.values())


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
