"""``activator exec`` as click sees it: for ``--help`` and completion only.

Its command line is read by the runtime, :mod:`activator.onward`.
"""

import click

HELP = """Run CMD with the passed descriptors where it wants them, for ExecStart=.

It is for programs that know nothing of names. {fd:NAME} in an argument or in a value of --env
becomes the number of the descriptor of that name (FileDescriptorName=); of several it is
{fd:NAME:0} and so on, or all of them in {fds:NAME:,}, separated by what is after the name.
CMD gets those that are named so, or by --map or --listen-fds, and the rest is closed; if none is
named, it gets all by LISTEN_FDS, with LISTEN_PID and LISTEN_PIDFDID put right where a wrapper
has forked.

\b
Examples:
  activator exec -- uvicorn --fd {fd:http} shop:app
  activator exec -- gunicorn --bind fd://{fd:http} shop:app
  activator exec --env 'NGINX={fds:http:;};' -- nginx -g 'daemon off;'
  activator exec --map http=5 --listen-fds admin -- /usr/bin/shop
"""


def _exec(argv: tuple[str, ...], **values: tuple[str, ...]) -> None:
    from activator.onward import main

    words = [
        f"--{name.replace('_', '-')}={text}" for name, texts in values.items() for text in texts
    ]
    click.get_current_context().exit(main([*words, "--", *argv]))


command = click.Command(
    "exec",
    callback=_exec,
    help=HELP,
    params=[
        click.Option(
            ["--map"],
            metavar="NAME=N",
            multiple=True,
            help="Place this descriptor at number N. Repeatable.",
        ),
        click.Option(
            ["--listen-fds"],
            metavar="NAME[:NAME...]",
            multiple=True,
            help="Pass only these on by LISTEN_FDS, in this order from 3 up.",
        ),
        click.Option(
            ["--env"],
            metavar="NAME=VALUE",
            multiple=True,
            help="Set a variable of CMD. Repeatable.",
        ),
        click.Argument(["argv"], metavar="CMD ARG...", nargs=-1, required=True),
    ],
    context_settings={"help_option_names": ["-h", "--help"]},
)
