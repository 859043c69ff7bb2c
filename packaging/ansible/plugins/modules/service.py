#!/usr/bin/python
"""Have the units of a spec installed, changed, restarted or removed, by the host's activator."""

from __future__ import annotations

DOCUMENTATION = r"""
module: service
short_description: Install the units of a socket-activated service, and change them while they run
description:
  - Calls C(activator install) or C(activator uninstall) on the host. That command writes the
    units for the systemd of the host, compares them with what is there, and does what the changes
    ask for, in the order that loses no client or as few as can be.
  - If a unit does not come up, everything is put back as it was, and the task fails.
version_added: 0.1.0
author:
  - The authors of systemd-activator (@systemd-activator)
options:
  spec:
    description:
      - The spec itself, as C(activator) knows it in TOML. Exclusive with C(src).
    type: dict
  src:
    description:
      - A file that has the spec in TOML, on the controller, looked for as files are; with
        C(remote_src) on the host. Exclusive with C(spec).
    type: path
  remote_src:
    description:
      - Whether C(src) is on the host.
    type: bool
    default: false
  name:
    description:
      - The name of the spec. With C(spec), it stands in for the key C(name); with C(state=absent),
        it is enough alone.
    type: str
  state:
    description:
      - C(present) has the sockets installed, enabled and listening; the service is started by its
        first client. What runs is changed or restarted only where its units have changed.
      - C(restarted) does the same, and restarts the services that run, as for new code. Their
        sockets stay open meanwhile. Where no service runs, and no unit has changed, nothing does.
      - C(reloaded) is as C(restarted), by the reload of services that have one (C(ExecReload=) or
        C(Type=notify-reload)).
      - C(absent) stops and removes all that was installed under the name.
    type: str
    choices: [present, absent, restarted, reloaded]
    default: present
  user:
    description:
      - Whether it is for the manager of the user that the task runs as, not for the system's.
    type: bool
    default: false
  root:
    description:
      - The root of a system that does not run, on the host; files below it are all that is touched.
    type: path
  systemd:
    description:
      - The version of systemd to write for, where that is not the one that runs.
    type: str
  templates:
    description:
      - A directory on the host with templates that go before the built-in ones.
    type: path
  now:
    description:
      - Whether to start, restart and stop units as needed. If not, what runs goes on as it is.
    type: bool
    default: true
  force:
    description:
      - Whether to replace or remove files that were edited or that C(activator) did not write, too.
    type: bool
    default: false
  keep:
    description:
      - A file on the host that the spec is kept in once it is installed, in TOML, so that C(src)
        with C(remote_src) can go back to it. Its directory must be there.
    type: path
  executable:
    description:
      - The command on the host, by its name or its path.
    type: path
    default: activator
attributes:
  check_mode:
    description: Tells what would be done, as C(activator install --dry-run) does, and does nothing.
    support: full
  diff_mode:
    description: Shows each unit's file before and after.
    support: full
  platform:
    description: Where it works.
    support: full
    platforms: linux
requirements:
  - On the host, C(activator) of the collection's own version or a later one
    (Debian's package C(activator), or C(systemd-activator) from pip), and Python 3.11 or newer.
"""

EXAMPLES = r"""
- name: Have a socket listen for a handler
  activator.systemd.service:
    name: echo
    spec:
      handler: activator.examples.echo:echo
      sockets:
        echo:
          ListenStream: 127.0.0.1:7777

- name: Have new code served, without refusing a client
  activator.systemd.service:
    src: shop.toml
    state: restarted

- name: Remove it again
  activator.systemd.service:
    name: echo
    state: absent
"""

RETURN = r"""
name:
  description: The name of the spec.
  returned: success
  type: str
  sample: echo
units:
  description: The units as they were before.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The unit.
      type: str
    path:
      description: Its file.
      type: str
    status:
      description:
        - How its file stands to what it should be; C(new), C(changed), C(unchanged) or C(stale).
      type: str
    active:
      description: The state that systemd told, as C(active).
      type: str
  sample:
    - {name: echo.socket, path: /etc/systemd/system/echo.socket, status: new, active: inactive}
commands:
  description:
    - What was done, or would be, in this order. After a step that failed, what was done to take all
      back is there too, as C(roll back).
  returned: always
  type: list
  elements: str
  sample: [write /etc/systemd/system/echo.socket, daemon-reload, start echo.socket]
notes:
  description: What else there is to know, one line each.
  returned: success
  type: list
  elements: str
  sample: []
"""

import os
import shutil

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.activator.systemd.plugins.module_utils import command, toml

ARGUMENTS = {
    "spec": {"type": "dict"},
    "src": {"type": "path"},
    "remote_src": {"type": "bool", "default": False},
    "name": {"type": "str"},
    "state": {
        "type": "str",
        "choices": ["present", "absent", "restarted", "reloaded"],
        "default": "present",
    },
    "user": {"type": "bool", "default": False},
    "root": {"type": "path"},
    "systemd": {"type": "str"},
    "templates": {"type": "path"},
    "now": {"type": "bool", "default": True},
    "force": {"type": "bool", "default": False},
    "keep": {"type": "path"},
    "executable": {"type": "path", "default": "activator"},
}
AGAIN = {"restarted": ["--restart"], "reloaded": ["--reload"]}


def main():
    """Do what the task asks for."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        mutually_exclusive=[("spec", "src")],
        required_one_of=[("spec", "src", "name")],
        supports_check_mode=True,
    )
    program = command.executable(module)
    absent = module.params["state"] == "absent"
    words = removing(module) if absent else installing(module)
    result, status = command.told(module, [program, *words, *common(module)])
    steps = [" ".join(step_words(step)) for step in result["steps"]]
    if status:
        module.fail_json(msg="\n".join(result["errors"]), commands=steps)
    units = result["units"]
    kept = not absent and module.params["keep"] and keep(module, words[1])
    end = {"changed": bool(steps or kept), "name": result["name"], "commands": steps}
    if module._diff:
        end["diff"] = [shown for unit in units if (shown := difference(unit))]
    for note in result["notes"]:
        module.warn(note)
    plain = [{key: unit[key] for key in ("name", "path", "status", "active")} for unit in units]
    module.exit_json(units=plain, notes=result["notes"], **end)


def installing(module):
    """Return the words that install the spec."""
    given = module.params
    if given["spec"] is None and given["src"] is None:
        state = given["state"]
        module.fail_json(msg=f"state: {state} needs 'spec' or 'src'; 'name' alone removes")
    words = ["install", spec_file(module), *AGAIN.get(given["state"], [])]
    for key in ("systemd", "templates"):
        if given[key] is not None:
            words += ["--" + key, given[key]]
    return words if given["now"] else [*words, "--no-now"]


def removing(module):
    """Return the words that remove what was installed under the name."""
    name = module.params["name"] or (module.params["spec"] or {}).get("name")
    return ["uninstall", "--if-installed", name or spec_file(module)]


def common(module):
    """Return the words that both commands have."""
    given = module.params
    words = ["--format", "json"]
    words += ["--user"] if given["user"] else []
    words += ["--root", given["root"]] if given["root"] is not None else []
    words += ["--force"] if given["force"] else []
    words += ["--dry-run"] if module.check_mode else []
    return [*words, "--diff"] if module._diff else words


def spec_file(module):
    """Return the path of a file that has the spec; the units name the file, without the path."""
    given = module.params
    if given["src"] is not None:
        path = os.path.abspath(given["src"])
        if not os.path.isfile(path):
            module.fail_json(msg=f"{path} is not a file on this host")
        return path
    tree = dict(given["spec"])
    if not tree.get("name"):
        tree = {"name": given["name"], **tree}
    name = tree["name"]
    if given["name"] and name != given["name"]:
        named = given["name"]
        module.fail_json(msg=f"name is {named!r}, and that of the spec is {name!r}")
    if not isinstance(name, str) or "/" in name:
        module.fail_json(msg="the spec needs a name: give 'name'")
    path = os.path.join(module.tmpdir, name + ".toml")
    try:
        text = toml.dumps(tree)
    except ValueError as error:
        module.fail_json(msg=str(error))
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
    return path


def keep(module, spec):
    """Keep the spec, and return whether it is another than the one kept."""
    path = module.params["keep"]
    with open(spec, "rb") as file:
        text = file.read()
    try:
        with open(path, "rb") as file:
            if file.read() == text:
                return False
    except FileNotFoundError:
        pass
    if not module.check_mode:
        copy = os.path.join(module.tmpdir, "kept")
        shutil.copyfile(spec, copy)
        module.atomic_move(copy, path)
    return True


def step_words(step):
    """Return a step as activator tells it, without its reason."""
    return [*(["roll back:"] if step.get("back") else []), step["do"], *step["names"]]


def difference(unit):
    """Return how a unit's file changes, as Ansible shows it; nothing if it does not."""
    before, after = unit["before"], unit["after"]
    if before == after:
        return None
    return {
        "before": before or "",
        "after": after or "",
        "before_header": "/dev/null" if before is None else unit["path"],
        "after_header": "/dev/null" if after is None else unit["path"],
    }


if __name__ == "__main__":
    main()
