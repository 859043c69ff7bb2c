"""Call the host's own activator, and take what it tells as JSON."""

from __future__ import annotations

import json

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
    # Nothing in that directory can be taken for what the words name.
    status, out, err = module.run_command(argv, cwd=module.tmpdir)
    try:
        return json.loads(out), status
    except ValueError:
        lines = [line for line in err.splitlines() if line.strip()] or ["it told nothing"]
    if any(line.startswith("Usage:") for line in lines):
        line = f"{argv[0]} refuses how it is called, so it may be too old: {lines[-1]}"
        module.fail_json(msg=line)
    module.fail_json(msg="\n".join(lines))
    return None, status
