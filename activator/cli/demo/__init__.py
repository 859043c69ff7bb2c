"""``activator demo``: what the toolkit is for, step by step."""

import click


@click.command(
    short_help="Show what socket activation is for, step by step, without systemd.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("numbers", nargs=-1, type=click.IntRange(1, 8), metavar="[ACT]...")
@click.option("-q", "--quiet", is_flag=True, help="Leave out the texts of specs and units.")
def command(numbers: tuple[int, ...], *, quiet: bool) -> None:
    """Show what socket activation is for, step by step, without systemd.

    Generates units, runs them and those of a foreign daemon with `activator run`, and has
    clients connect while services crash, restart, end idle and change. ACT is the number of
    a part, all without one. Each line that is
    shown was checked, and it exits 1 where something else happens. Everything lives in a
    temporary directory. Where a systemd runs, it shows the same units there for a moment.

    \b
    Examples:
      activator demo
      activator demo --quiet 3
    """  # noqa: D301 - click wants the character itself
    import signal
    import sys

    from activator.cli.demo.play import demonstrate

    # Whoever ends it leaves nothing behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))

    def say(line: str, kind: str) -> None:
        if quiet and kind in ("file", "listing"):
            return
        if kind == "title":
            click.secho(f"\n{line}", bold=True)
        elif kind in ("command", "file"):
            click.echo(click.style("\n$ ", fg="green", bold=True) + click.style(line, bold=True))
        elif kind == "step":
            click.echo(click.style("\n* ", fg="yellow", bold=True) + line)
        elif kind == "listing":
            click.secho(f"    {line}".rstrip(), dim=True)
        else:
            click.echo(click.style("  > ", fg="cyan") + line)

    demonstrate(say, numbers)
