"""``activator gen``: specs to units."""

from typing import TYPE_CHECKING, Any

import click

from activator.errors import ActivatorError, UsageError, combine

if TYPE_CHECKING:
    from activator.spec import Spec

# Directives of a socket that have an option of their own; --set takes any other.
LISTENS = (
    "ListenStream",
    "ListenDatagram",
    "ListenSequentialPacket",
    "ListenFIFO",
    "ListenSpecial",
    "ListenNetlink",
    "ListenMessageQueue",
    "ListenUSBFunction",
)
DIRECTIVES = (*LISTENS, "ReceiveBuffer", "SendBuffer", "Backlog", "SocketMode")
KEYS = ("name", "description", "mode", "exec", "handler", "python", "drain")
# The first word of --set → the table of the tree it goes to.
TABLES = ("socket", "service", "unit", "install")


def option_name(directive: str) -> str:
    """Return a directive's option: ReceiveBuffer → --receive-buffer."""
    known = {"ListenFIFO": "listen-fifo", "ListenUSBFunction": "listen-usb-function"}
    if directive in known:
        return f"--{known[directive]}"
    words = "".join(f"-{char.lower()}" if char.isupper() else char for char in directive)
    return f"--{words.lstrip('-')}"


def directive_options(command: click.Command) -> click.Command:
    """Add the options that stand for directives of the socket."""
    command.params += [
        click.Option(
            [option_name(name), name.lower()],
            multiple=name in LISTENS,
            metavar="VALUE",
            help=f"{name}= of the socket.",
        )
        for name in DIRECTIVES
    ]
    return command


@click.command(short_help="Turn specs into matching .socket and .service units.")
@click.argument("specs", nargs=-1, metavar="[SPEC]...")
@click.option("-o", "--output", metavar="DIR", help="Write the units into this directory.")
@click.option("--stdout", is_flag=True, help="Print the units instead of writing them.")
@click.option("--explain", is_flag=True, help="Write the reason above each line.")
@click.option("--systemd", metavar="VERSION", help="The systemd to write for, as 257 or trixie.")
@click.option("--name", help="Without SPEC: the units' common name.")
@click.option("--description", help="What the service is.")
@click.option("--mode", help="shared (Accept=no) or per-connection (Accept=yes).")
@click.option("--exec", metavar="COMMAND", help="The program, in systemd's syntax.")
@click.option("--handler", metavar="MODULE:NAME", help="A Python handler instead.")
@click.option("--python", metavar="PATH", help="The interpreter for the handler.")
@click.option("--drain", type=float, metavar="SECONDS", help="How long connections may end.")
@click.option("--fd-name", metavar="NAME", help="FileDescriptorName=; the name by default.")
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="TABLE.NAME=VALUE",
    help="Any other directive; TABLE is socket, service, unit or install.",
)
def command(specs: tuple[str, ...], output: str | None, **options: Any) -> None:
    r"""Turn specs into matching .socket and .service units.

    \b
    Examples:
      activator gen units/echo.toml -o build/
      activator gen --name echo --mode shared --exec '/usr/bin/python3 -m echo' \\
          --listen-stream 127.0.0.1:7777 --receive-buffer 256K --stdout
    """
    from activator.files import write_all
    from activator.render import Renderer

    stdout = options.pop("stdout")
    if stdout == bool(output):
        raise UsageError("where to?", "give either -o DIR or --stdout")
    renderer = Renderer(explain=options.pop("explain"))
    texts: dict[str, str] = {}
    origin: dict[str, str] = {}
    problems: list[ActivatorError] = []
    for source, spec in _specs(specs, options, problems):
        for name, text in renderer.render(spec).items():
            if name in texts:
                message = f"{name} is made by {origin[name]} too"
                problems.append(ActivatorError(message, "give each spec its name", place=source))
            texts[name], origin[name] = text, source
    if problems:
        raise combine(problems)
    if output:
        for path in write_all(output, texts):
            click.echo(path)
    else:
        show(texts)


def show(texts: dict[str, str]) -> None:
    """Print units, each under its name if there are several."""
    for index, (name, text) in enumerate(texts.items()):
        click.echo(("\n" if index else "") + f"# {name}")
        click.echo(text, nl=False)


def _specs(
    paths: tuple[str, ...], options: dict[str, Any], problems: list[ActivatorError]
) -> "list[tuple[str, Spec]]":
    """Load what was asked for; mistakes are collected."""
    from activator import spec

    loaded: list[tuple[str, Spec]] = []
    version = options.pop("systemd")
    if paths:
        given = sorted(name for name, value in options.items() if value)
        if given:
            words = "--set" if given[0] == "assignments" else f"--{given[0].replace('_', '-')}"
            raise UsageError(f"{words} goes without a SPEC", "say it in the spec")
        for path in paths:
            try:
                loaded.append((path, spec.load(path, systemd=version)))
            except ActivatorError as error:
                problems.append(error)
        return loaded
    if not options["name"]:
        raise UsageError("nothing to generate", "name a SPEC, or give --name and its like")
    tree, places = _tree(options)
    if version:
        tree["systemd"], places["systemd",] = version, "--systemd"
    return [("", spec.from_options(tree, places))]


def _tree(options: dict[str, Any]) -> tuple[dict[str, Any], dict[tuple[str | int, ...], str]]:
    """Return the tree a TOML file would give, and the option that gave each value."""
    tree: dict[str, Any] = {}
    places: dict[tuple[str | int, ...], str] = {}
    for key in KEYS:
        if options[key] is not None:
            tree[key], places[key,] = options[key], f"--{key}"
    fdname = options["fd_name"] or tree["name"]
    socket: dict[str, Any] = {}
    tree["sockets"] = {fdname: socket}
    places["sockets",] = "--listen-stream"
    places["sockets", fdname] = "--fd-name" if options["fd_name"] else "--listen-stream"
    for name in DIRECTIVES:
        value = options[name.lower()]
        if value:
            socket[name] = list(value) if isinstance(value, tuple) else value
            places["sockets", fdname, name] = option_name(name)
    for text in options["assignments"]:
        table, dot, rest = text.partition(".")
        name, equals, value = rest.partition("=")
        if not dot or not equals or table not in TABLES:
            hint = f"write TABLE.NAME=VALUE; TABLE is {', '.join(TABLES)}"
            raise UsageError(f"--set {text!r} is no assignment", hint)
        held = socket if table == "socket" else tree.setdefault(table, {})
        held[name] = [*held[name], value] if name in held else [value]
        path = ("sockets", fdname, name) if table == "socket" else (table, name)
        places[path] = f"--set {table}.{name}"
    return tree, places


directive_options(command)
