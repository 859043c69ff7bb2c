"""Call the host's own activator, and take what it tells as JSON."""

from __future__ import annotations

import json
import subprocess

MISSING = (
    "activator is not on this host: install Debian's package 'activator' there, or with pip "
    "'systemd-activator', and name the command with 'executable' if it is not on the PATH"
)


def executable(module):
    """Return the command's path, or end the module with a line that says what to install."""
    named = module.params["executable"]
    found = module.get_bin_path(named)
    if found is None:
        elsewhere = f"{named} is not a command on this host; "
        module.fail_json(msg=MISSING if named == "activator" else elsewhere + MISSING)
    return found


def told(module, argv):
    """Run a command, and return what it tells.

    Returns:
        The value that it printed, and its exit status. Where it printed none, the module ends.
    """
    # Not AnsibleModule.run_command(), which polls once a second, and reads nothing more of a
    # command that has ended by then. Nothing in that directory can be what the words name.
    try:
        done = subprocess.run(
            argv,
            cwd=module.tmpdir,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except OSError as error:
        module.fail_json(msg=f"{argv[0]} cannot be run: {error.strerror}")
    try:
        return json.loads(done.stdout.decode()), done.returncode
    except ValueError:
        text = done.stderr.decode(errors="replace")
        lines = [line for line in text.splitlines() if line.strip()] or ["it told nothing"]
    if any(line.startswith("Usage:") for line in lines):
        line = f"{argv[0]} refuses how it is called, so it may be too old: {lines[-1]}"
        module.fail_json(msg=line)
    module.fail_json(msg="\n".join(lines))
    return None, done.returncode
