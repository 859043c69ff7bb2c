"""Take descriptors again and again, beside libsystemd itself: one JSON object a line.

Each line has the LISTEN_* variables to set; the answer has what systemd.daemon returned
(or its errno), what ``activator exec`` would claim, and what activator.listen_fds() did.
"""

import json
import os
import sys

from systemd import daemon

from activator import ActivatorError
from activator.runtime.commands.exec_claim import claim
from activator.runtime.variables import VARIABLES
from tests.support.show_listeners import left, taken


def claimed() -> object:
    """Claim them, or return the error."""
    try:
        return list(claim(os.environ).items())
    except ActivatorError as error:
        return error.lines()


def main() -> None:
    """Answer every line."""
    for line in sys.stdin:
        for name in VARIABLES:
            os.environ.pop(name, None)
        for name, value in json.loads(line).items():
            os.environ[name] = str(os.getpid()) if value == "PID" else value
        try:
            oracle: object = list(daemon.listen_fds_with_names(unset_environment=False).items())
        except OSError as error:
            oracle = error.errno
        answer = {"oracle": oracle, "claim": claimed(), "ours": taken(), "left": left()}
        print(json.dumps(answer), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
