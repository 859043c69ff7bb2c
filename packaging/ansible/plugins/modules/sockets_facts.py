#!/usr/bin/python
"""Tell of the live sockets of a host, as its activator does."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sockets_facts
short_description: Tell of live sockets, what waits there, and how their services fare
description:
  - Calls C(activator status) on the host, and has what it tells as the fact C(activator_sockets).
version_added: 0.1.0
author:
  - The authors of systemd-activator (@systemd-activator)
options:
  units:
    description:
      - The sockets, by their names, by those of their services or of their specs. Without any, all
        that systemd has loaded.
    type: list
    elements: str
    default: []
  user:
    description:
      - Whether to ask the manager of the user that the task runs as, not the system's.
    type: bool
    default: false
  executable:
    description:
      - The command on the host, by its name or its path.
    type: path
    default: activator
attributes:
  check_mode:
    description: It changes nothing.
    support: full
  diff_mode:
    description: It changes nothing.
    support: none
  facts:
    description: Has its answer as facts.
    support: full
  platform:
    description: Where it works.
    support: full
    platforms: linux
requirements:
  - On the host, C(activator) (Debian's package C(activator), or C(systemd-activator) from pip).
"""

EXAMPLES = r"""
- name: Look at one socket
  activator.systemd.sockets_facts:
    units: [echo]

- name: Go on only where nobody waits
  ansible.builtin.assert:
    that: activator_sockets | map(attribute='addresses') | flatten | sum(attribute='queue') == 0
"""

RETURN = r"""
ansible_facts:
  description: What is added to the facts of the host.
  returned: success
  type: complex
  contains:
    activator_sockets:
      description: A socket each, with the keys of C(activator status --format json).
      type: list
      elements: dict
      sample: [{name: echo.socket, state: listening, service: echo.service, open: 0}]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.activator.systemd.plugins.module_utils import command

ARGUMENTS = {
    "units": {"type": "list", "elements": "str", "default": []},
    "user": {"type": "bool", "default": False},
    "executable": {"type": "path", "default": "activator"},
}


def main():
    """Ask, and tell."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    scope = ["--user"] if module.params["user"] else []
    argv = [command.executable(module), "status", "--format", "json", *scope, "--"]
    sockets, _ = command.told(module, [*argv, *module.params["units"]])
    module.exit_json(changed=False, ansible_facts={"activator_sockets": sockets})


if __name__ == "__main__":
    main()
