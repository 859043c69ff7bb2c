"""Take descriptors again and again, beside libsystemd itself: one JSON object a line.

Each line has the LISTEN_* variables to set; the answer has what systemd.daemon returned
(or its errno), and what activator.listen_fds() did.
"""

import json
import os
import sys

from systemd import daemon

from activator.listen import VARIABLES
from tests.support.show_listeners import left, taken


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
        print(json.dumps({"oracle": oracle, "ours": taken(), "left": left()}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
