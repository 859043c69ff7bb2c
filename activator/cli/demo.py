"""``activator demo``: both modes at work, step by step."""

import click


@click.command(
    short_help="Show both modes at work, step by step, without systemd.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("-q", "--quiet", is_flag=True, help="Leave out the texts of specs and units.")
def command(*, quiet: bool) -> None:
    """Show both modes at work, step by step, without systemd.

    Generates the units of the two echo examples, runs them on the local activator, connects
    to them and shows what happens. Everything lives in a temporary directory.

    \b
    Example:
      activator demo
    """  # noqa: D301 - click wants the character itself
    from activator.demo import demonstrate

    def say(line: str, kind: str) -> None:
        if kind == "title":
            click.secho(f"\n{line}", bold=True)
        elif kind == "step":
            click.echo(click.style("\n> ", fg="green", bold=True) + line)
        elif not (quiet and kind == "listing"):
            click.echo(f"    {line}".rstrip())

    demonstrate(say)
