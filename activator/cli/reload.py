"""``activator reload`` as click sees it: for ``--help`` and completion only.

Its command line is read by the runtime, :mod:`activator.reload`.
"""

import click

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


def _reload(process: str) -> None:
    from activator.reload import main

    click.get_current_context().exit(main([process]))


command = click.Command(
    "reload",
    callback=_reload,
    help=HELP,
    params=[click.Argument(["process"])],
    context_settings={"help_option_names": ["-h", "--help"]},
)
