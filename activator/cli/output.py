"""What commands print, and how wide it may be."""

import sys

import click


def print_json(value: object) -> None:
    """Print plain values as JSON, for people as well."""
    import json

    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def terminal_width() -> int:
    """Return the terminal's width in characters, 0 where the output goes elsewhere."""
    from shutil import get_terminal_size

    return get_terminal_size().columns if sys.stdout.isatty() else 0
