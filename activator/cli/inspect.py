"""``activator inspect`` as click sees it: for ``--help`` and completion only."""

from activator.cli.twin import Twin
from activator.runtime.commands.inspect.command import OPTIONS

HELP = """Print what this process was passed, to debug a service.

Put it into ExecStart=, also of a template for Accept=yes, and look into the journal. It shows
each descriptor with its name, kind, addresses, what waits there and its flags, the options in
force, and the variables that the service manager sets. It takes nothing from the sockets: it
stays until it is stopped, and then the next start serves the clients that wait. Outside of a
service it says what is missing.

\b
Example:
  [Service]
  ExecStart=activator inspect
"""

command = Twin("inspect", "activator.runtime.commands.inspect.command", HELP, OPTIONS)
