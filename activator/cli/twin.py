"""A command of the runtime as click sees it: for ``--help`` and completion only.

Both are made from the command's own table of options, which its own command line is read by.
"""

from collections.abc import Sequence
from importlib import import_module

import click

from activator.runtime.options import Option


class Twin(click.Command):
    """Shows a command's help and completes its words; all else is for the runtime to read.

    Args:
        name: The command's name.
        home: The module of the runtime that has it.
        text: Its help.
        options: Its options.
        words: What stands for its other words in the help; empty for none.
    """

    def __init__(
        self, name: str, home: str, text: str, options: Sequence[Option], words: str = ""
    ) -> None:
        parameters: list[click.Parameter] = [*map(_parameter, options)]
        if words:
            parameters.append(click.Argument(["words"], metavar=words, nargs=-1))
        super().__init__(
            name,
            help=text,
            params=parameters,
            context_settings={"help_option_names": ["-h", "--help"]},
        )
        self._home = home

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Leave the words to the runtime, unless they ask for help."""
        own = args[: args.index("--")] if "--" in args else args
        if not ctx.resilient_parsing and set(ctx.help_option_names).isdisjoint(own):
            ctx.exit(import_module(self._home).main(args))
        return super().parse_args(ctx, args)


def _parameter(option: Option) -> click.Option:
    kind: click.ParamType[str] | None = None
    if option.choices:
        kind = click.Choice(option.choices)
    elif option.metavar == "DIR":
        kind = click.Path(file_okay=False)
    elif option.metavar == "FILE":
        kind = click.Path(dir_okay=False)
    default = option.default
    shown = f"  [default: {default:g}]" if isinstance(default, float) else ""
    if option.choices and default:
        shown = f"  [default: {default}]"
    return click.Option(
        [f"--{option.name}"],
        metavar=option.metavar or None,
        type=kind,
        is_flag=not option.metavar,
        help=option.help + shown,
        default=None if option.metavar else False,
        multiple=option.repeats,
    )
