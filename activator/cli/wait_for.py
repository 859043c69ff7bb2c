"""``activator wait-for`` as click sees it: for ``--help`` and completion only.

Its command line is read by the runtime, :mod:`activator.waiting`.
"""

import click

HELP = """Wait until ADDRESS accepts connections, for ExecStartPost=.

It makes a service ready when its program listens, for programs that cannot tell systemd
so themselves. ADDRESS is /PATH, @NAME, PORT (of 127.0.0.1), HOST:PORT or [HOST]:PORT.
It gives up at once when the main process ($MAINPID) ends.

\b
Example:
  [Service]
  ExecStart=/usr/bin/python3 -m http.server 8080
  ExecStartPost=activator wait-for 127.0.0.1:8080 --timeout 30
"""


def _wait_for(address: str, timeout: str | None) -> None:
    from activator.waiting import main

    words = [] if timeout is None else [f"--timeout={timeout}"]
    click.get_current_context().exit(main([*words, address]))


command = click.Command(
    "wait-for",
    callback=_wait_for,
    help=HELP,
    params=[
        click.Option(
            ["--timeout"], metavar="SECONDS", help="How long to wait.  [default: 60]", default=None
        ),
        click.Argument(["address"]),
    ],
    context_settings={"help_option_names": ["-h", "--help"]},
)
