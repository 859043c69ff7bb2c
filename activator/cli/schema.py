"""``activator schema``: the spec's JSON Schema, for editors."""

import click

from activator.cli import options
from activator.cli.output import print_json
from activator.errors import ActivatorError


@click.command(short_help="Print the spec's JSON Schema, for editors.")
@options.for_systemd("Only what this one knows, as 257 or trixie.")
def command(systemd: str | None) -> None:
    """Print the JSON Schema of specs, from which editors complete and check them.

    For editors with taplo, such as VS Code with Even Better TOML, name the schema in the
    spec's first line: #:schema ./activator.schema.json

    \b
    Example:
      activator schema --systemd trixie >activator.generate.schema.json
    """  # noqa: D301 - click wants the character itself
    from activator.generate.schema import schema
    from activator.generate.specfile import target

    try:
        version = None if systemd is None else target.version(systemd)
    except ActivatorError as error:
        raise error.at("--systemd") from None
    print_json(schema(version))
