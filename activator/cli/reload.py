"""``activator reload`` as click sees it: for ``--help`` and completion only."""

from activator.cli.twin import Twin
from activator.runtime.commands.reload import OPTIONS

HELP = """Have a service hand over to new processes, for ExecReload=.

PROCESS is the main process of `activator serve --workers N`. New workers start, with the code,
the interpreter and the unit's environment as they are now; when all are ready, the others drain.
If the new ones fail, the others go on, and the exit status is 1.

\b
Example:
  [Service]
  ExecStart=activator serve --workers 1 shop.front:handle
  ExecReload=activator reload $MAINPID
"""

command = Twin("reload", "activator.runtime.commands.reload", HELP, OPTIONS, "PROCESS")
