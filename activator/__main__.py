"""The ``activator`` command's entry point; also ``python -m activator``.

``activator serve`` is what services run, so it goes straight to the runtime and its own
small command line: neither click nor anything else of the tools is loaded for it.
"""

import sys

RUNTIME_COMMANDS = frozenset({"serve"})
HELP = frozenset({"-h", "--help"})


def main() -> None:
    """Run the command named on the command line and exit with its status."""
    arguments = sys.argv[1:]
    if arguments and arguments[0] in RUNTIME_COMMANDS and not HELP.intersection(arguments):
        from activator.serving.command import main as serve_main  # noqa: PLC0415

        sys.exit(serve_main(arguments[1:]))
    from activator.cli import main as cli_main  # noqa: PLC0415

    sys.exit(cli_main(arguments))


if __name__ == "__main__":
    main()
