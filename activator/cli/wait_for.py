"""``activator wait-for`` as click sees it: for ``--help`` and completion only."""

from activator.cli.twin import Twin
from activator.runtime.commands.wait_for import OPTIONS

HELP = """Wait until ADDRESS accepts connections, for ExecStartPost=.

It makes a service ready when its program listens, for programs that cannot tell systemd
so themselves. ADDRESS is /PATH, ./PATH, @NAME, PORT (of 127.0.0.1), HOST:PORT or
[HOST]:PORT.
It gives up at once when the main process ($MAINPID) ends.

\b
Example:
  [Service]
  ExecStart=/usr/bin/python3 -m http.server 8080
  ExecStartPost=activator wait-for 127.0.0.1:8080 --timeout 30
"""

command = Twin("wait-for", "activator.runtime.commands.wait_for", HELP, OPTIONS, "ADDRESS")
