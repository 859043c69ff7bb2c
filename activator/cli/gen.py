"""``activator gen``: specs to units."""

import sys
from typing import TYPE_CHECKING, Any

import click

from activator.cli import complete, options, subjects
from activator.cli.output import print_json, terminal_width
from activator.errors import ActivatorError, UsageError, combine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from activator.generate.batch import Made, Settings
    from activator.generate.specfile import Spec
    from activator.output.plan import File

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
# Keys of a spec that are given in other words: by an option of another name, by --set and -o.
OTHERWISE = {"needs": "--need", "sockets": "--listen-stream", "systemd": "--systemd"}
_METAVARS = {"path": "PATH", "timespan": "TIME", "count": "N", "handler": "MODULE:NAME"}
_TYPES = {"count": int, "number": float}
_SEVERAL = ("list", "proxies")
_YES = ("yes",)  # of --proxy-protocol: a spec's true
# Options that go with specs too.
WITH_SPECS = ("systemd", "explain", "newer", "templates", "user", "podman")


def option_name(directive: str) -> str:
    """Return a directive's option: ReceiveBuffer → --receive-buffer."""
    known = {"ListenFIFO": "listen-fifo", "ListenUSBFunction": "listen-usb-function"}
    if directive in known:
        return f"--{known[directive]}"
    words = "".join(f"-{char.lower()}" if char.isupper() else char for char in directive)
    return f"--{words.lstrip('-')}"


def key_options(command: click.Command) -> click.Command:
    """Add the options of those keys of a spec that have none yet."""
    from activator.generate.specfile.intents import intents

    had = {parameter.name for parameter in command.params}
    for key, intent in intents().items():
        name = key.replace("-", "_")
        if name in had or intent.type == "table" or key in OTHERWISE:
            continue
        option = click.Option(
            [f"--{key}"],
            is_flag=intent.type == "boolean",
            default=None,
            multiple=intent.type in _SEVERAL,
            type=_TYPES.get(intent.type),
            metavar=None if intent.type == "boolean" else _METAVARS.get(intent.type, "VALUE"),
            help=f"{intent.summary.partition(';')[0].rstrip('.')}.",
            shell_complete=complete.intents,
        )
        command.params.append(option)
    return command


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
@click.argument("specs", nargs=-1, metavar="[SPEC]...", shell_complete=complete.specs)
@options.directory("-o", "--output", help="Write the units into this directory.")
@click.option("--stdout", is_flag=True, help="Print the units instead of writing them.")
@options.writing
@options.told_as()
@click.option("--explain", is_flag=True, help="Write the reason above each line.")
@options.with_templates
@options.for_systemd("The systemd to write for, as 257 or trixie.")
@options.for_podman
@click.option(
    "--newer",
    type=click.Choice(["error", "drop"]),
    default="error",
    help="What to do about a line that only a later systemd knows.",
)
@click.option("--user", is_flag=True, help="For users' managers: without what those cannot do.")
@click.option("--name", help="Without SPEC: the units' common name.")
@click.option("--description", help="What the service is.")
@click.option(
    "--mode",
    help="shared (Accept=no), per-connection (Accept=yes) or proxy.",
    shell_complete=complete.intents,
)
@click.option("--exec", metavar="COMMAND", help="The program, in systemd's syntax.")
@click.option("--handler", metavar="MODULE:NAME", help="A Python handler instead.")
@click.option("--asgi", metavar="MODULE:NAME", help="An ASGI application instead.")
@click.option("--wsgi", metavar="MODULE:NAME", help="A WSGI application instead.")
@click.option("--backend", metavar="ADDRESS", help="Behind a proxy: where the program listens.")
@click.option(
    "--idle-exit",
    metavar="TIME",
    help="When it stops, unused: a program behind a proxy, or a handler.",
)
@click.option("--python", metavar="PATH", help="The interpreter for the handler.")
@click.option(
    "--hardening",
    metavar="PROFILE",
    help="strict (the default), standard or none.",
    shell_complete=complete.intents,
)
@click.option(
    "--need",
    multiple=True,
    metavar="NEED",
    help="What is open nevertheless.",
    shell_complete=complete.needs,
)
@click.option("--drain", type=float, metavar="SECONDS", help="How long connections may end.")
@click.option("--fd-name", metavar="NAME", help="FileDescriptorName=; the name by default.")
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="TABLE.NAME=VALUE",
    help=f"Any other directive or variable; TABLE is {', '.join(complete.TABLES)}.",
    shell_complete=complete.assignments,
)
def command(
    specs: tuple[str, ...],
    output: str | None,
    style: str,
    *,
    stdout: bool,
    check: bool,
    diff: bool,
    force: bool,
    **options: Any,
) -> None:
    """Turn specs into matching .socket and .service units.

    A file that was edited by hand, or that activator did not write, is not replaced unless
    --force is given; one that is as it should be is not touched.

    Unless the spec or --systemd names another, units are for systemd 252, the oldest supported;
    with --systemd installed, they are those that `activator install` would write.

    \b
    Examples:
      activator gen units/echo.toml -o build/
      activator gen units/echo.toml -o build/ --check --diff
      activator gen --name echo --exec '/usr/bin/python3 -m echo' \\
          --listen-stream 127.0.0.1:7777 --receive-buffer 256K --stdout
    """  # noqa: D301 - click wants the character itself
    if stdout == bool(output):
        raise UsageError("where to?", "give either -o DIR or --stdout")
    dry = check or diff
    if (dry or force) and (stdout or (dry and force)):
        raise UsageError("--check, --diff and --force do not go together", "see --help")
    if diff and style == "json":
        raise UsageError("--diff is text", "leave out --format json")
    made = _made(subjects.specs(specs), options, whole=style == "json")
    texts = {name: text for one in made for name, text in one.texts.items()}
    files: list[File] = []
    if output:
        from activator.output.plan import plan, write

        files = plan(output, texts) if dry else write(output, texts, force=force)
    if style == "json":
        show_json(texts, files, [one.spec for one in made if one.spec])
    elif stdout:
        show(texts, for_people=options["explain"])
    else:
        show_files(files, diff=diff, check=check)
    if check:
        from activator.output.plan import differences

        if found := list(differences(files)):
            raise combine(found)


def _made(paths: tuple[str, ...], options: dict[str, Any], *, whole: bool) -> "list[Made]":
    """Load and render what was asked for; all mistakes are raised at once."""
    from activator.generate.batch import Settings, make_all

    settings = Settings(
        options["systemd"],
        options["newer"] == "drop",
        options["explain"],
        options["templates"],
        options["user"],
        options["podman"],
    )
    own = {name: value for name, value in options.items() if name not in WITH_SPECS and value}
    if paths and own:
        name = min(own)
        words = "--set" if name == "assignments" else f"--{name.replace('_', '-')}"
        raise UsageError(f"{words} goes without a SPEC", "say it in the spec")
    made = list(make_all(paths, settings, whole=whole)) if paths else [_own(options, settings)]
    problems = [one.problem for one in made if one.problem]
    problems += _twice(made)
    if problems:
        raise combine(problems)
    for note in (note for one in made for note in one.notes):
        click.echo(note, err=True)
    return made


def _twice(made: "list[Made]") -> "Iterator[ActivatorError]":
    """Yield an error for each unit that two specs make."""
    origin: dict[str, str] = {}
    for one in made:
        for name in one.texts:
            if name in origin:
                message = f"{name} is made by {origin[name]} too"
                yield ActivatorError(message, "give each spec its name", place=one.source)
            origin[name] = one.source


def show(texts: dict[str, str], *, for_people: bool) -> None:
    """Print units, each under its name; for people on a terminal, so that they can be read."""
    # Not click.echo(), which would look for colours in the text of a thousand units.
    text = "\n".join(f"# {name}\n{text}" for name, text in texts.items())
    if for_people and (room := terminal_width()):
        from activator.cli.unit_text import shown

        text = shown(text, room)
    sys.stdout.write(text)


def show_files(files: "list[File]", *, diff: bool, check: bool) -> None:
    """Print the paths that were written, or what would change in them."""
    from activator.output.plan import Status, due

    if diff:
        for line in (line for file in files for line in file.diff()):
            colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
            click.secho(line, fg=colour)
    elif not check:
        for file in due(files):
            click.echo(file.path)
        for file in files:
            if file.status is Status.STALE:
                click.echo(f"{file.path}: no spec makes it any more; remove it", err=True)


def show_json(texts: dict[str, str], files: "list[File]", specs: "list[Spec]") -> None:
    """Print all units with their entries, and what was or would be done to the files."""
    from activator.generate.render import units
    from activator.generate.render.describe import commands, describe

    made = [unit for spec in specs for unit in units(spec)]
    user = any(spec.user for spec in specs)
    described = {unit.name: describe(unit, user=user) for unit in made}
    states = {file.name: {"path": str(file.path), "status": file.status.value} for file in files}
    rows = [
        {"name": name}
        | states.get(name, {})
        | described.get(name, {})
        | ({"text": texts[name]} if name in texts else {})
        for name in dict.fromkeys([*texts, *states])
    ]
    print_json({"units": rows, "commands": commands(made, user=user) if made else []})


def _own(options: dict[str, Any], settings: "Settings") -> "Made":
    """Load and render the spec that the options give."""
    from activator.generate import specfile
    from activator.generate.batch import make
    from activator.generate.render import Renderer

    if not options["name"]:
        raise UsageError("nothing to generate", "name a SPEC, or give --name and its like")
    tree, places = _tree(options)
    if settings.systemd:
        tree["systemd"], places["systemd",] = settings.systemd, "--systemd"
    renderer = Renderer(explain=settings.explain, templates=settings.templates)

    def load() -> "Spec":
        made = specfile.from_options(tree, places, drop=settings.drop)
        return made._replace(user=settings.user)

    (made,) = make([("", load)], renderer)
    return made


def _tree(options: dict[str, Any]) -> tuple[dict[str, Any], dict[tuple[str | int, ...], str]]:
    """Return the tree a TOML file would give, and the option that gave each value."""
    from activator.generate.specfile.intents import intents

    tree: dict[str, Any] = {}
    places: dict[tuple[str | int, ...], str] = {}
    for key in intents():
        value = options.get(key.replace("-", "_"))
        if value not in (None, ()) and key not in OTHERWISE:
            tree[key] = list(value) if isinstance(value, tuple) else value
            if value == _YES:
                tree[key] = True
            places[key,] = f"--{key}"
    if options["need"]:
        tree["needs"], places["needs",] = list(options["need"]), "--need"
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
        if not dot or not equals or table not in complete.TABLES:
            hint = f"write TABLE.NAME=VALUE; TABLE is {', '.join(complete.TABLES)}"
            raise UsageError(f"--set {text!r} is not an assignment", hint)
        held = socket if table == "socket" else tree.setdefault(table, {})
        path = ("sockets", fdname, name) if table == "socket" else (table, name)
        places[path] = f"--set {table}.{name}"
        if table in complete.VARIABLES:
            held[name] = value
            continue
        held[name] = [*held[name], value] if name in held else [value]
    return tree, places


directive_options(key_options(command))
