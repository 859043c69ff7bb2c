"""``activator serve`` as click sees it: for ``--help`` and completion only.

Its command line is read by the runtime (:mod:`activator.serving.command`), from the same
table of options.
"""

import click

from activator.serving.options import OPTIONS, Option

HELP = """Serve the descriptors that systemd passed, with MODULE:HANDLER.

The handler is async def h(reader, writer), def h(sock), or a class: asyncio.Protocol or
socketserver's. It serves listening sockets until SIGTERM, or one connection with Accept=yes.
For datagrams and netlink it is def h(data, addr), or an asyncio.DatagramProtocol class; for
a message queue def h(message, priority); for a FIFO or special file async def h(reader) or
def h(stream). To give sockets of different names (FileDescriptorName=) different handlers, write
NAME=MODULE:HANDLER for each.
Web applications are served with --asgi (by uvicorn) and --wsgi (by waitress).

\b
Example:
  [Service]
  ExecStart=activator serve activator.examples.echo:echo
  ExecStart=activator serve --asgi shop.web:app
"""


def _parameter(option: Option) -> click.Option:
    is_directory = option.name == "app-dir"
    kind: click.ParamType[str] | None = None
    if option.choices:
        kind = click.Choice(option.choices)
    elif is_directory:
        kind = click.Path(file_okay=False)
    shown = f"  [default: {option.default:g}]" if isinstance(option.default, float) else ""
    return click.Option(
        [f"--{option.name}"],
        metavar=option.metavar,
        type=kind,
        help=option.help + shown,
        default=None,
        multiple=option.repeats,
    )


def _serve(handlers: tuple[str, ...], **values: str | tuple[str, ...] | None) -> None:
    from activator.serving.command import main

    words = [
        f"--{name.replace('_', '-')}={one}"
        for name, value in values.items()
        if value is not None
        for one in (value if isinstance(value, tuple) else (value,))
    ]
    click.get_current_context().exit(main([*words, "--", *handlers]))


command = click.Command(
    "serve",
    callback=_serve,
    help=HELP,
    params=[
        *map(_parameter, OPTIONS),
        click.Argument(["handlers"], metavar="[NAME=]MODULE:HANDLER...", nargs=-1),
    ],
    context_settings={"help_option_names": ["-h", "--help"]},
)
