"""``activator inspect`` as click sees it: for ``--help`` and completion only.

Its command line is read by the runtime, :mod:`activator.inspection.command`.
"""

import click

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


def _inspect(style: str | None, *, once: bool) -> None:
    from activator.inspection.command import main

    words = ["--once"] if once else []
    words += [f"--format={style}"] if style else []
    click.get_current_context().exit(main(words))


command = click.Command(
    "inspect",
    callback=_inspect,
    help=HELP,
    params=[
        click.Option(
            ["--format", "style"],
            type=click.Choice(["table", "json"]),
            default=None,
            help="How to print it.  [default: table]",
        ),
        click.Option(["--once"], is_flag=True, help="End at once, whatever waits."),
    ],
    context_settings={"help_option_names": ["-h", "--help"]},
)
