"""The ``activator`` command's entry point; also ``python -m activator``.

``activator serve`` and ``activator wait-for`` are what services run, so they go straight to
the runtime and its own small command lines: neither click nor anything else of the tools is
loaded for them.
"""

import sys

# Command → the module of the runtime whose main() reads the rest of the command line.
RUNTIME_COMMANDS = {"serve": "activator.serving.command", "wait-for": "activator.waiting"}
HELP = frozenset({"-h", "--help"})


def main() -> None:
    """Run the command named on the command line and exit with its status."""
    arguments = sys.argv[1:]
    if arguments and arguments[0] in RUNTIME_COMMANDS and not HELP.intersection(arguments):
        home = RUNTIME_COMMANDS[arguments[0]]
        __import__(home)  # importlib itself is not loaded yet
        sys.exit(sys.modules[home].main(arguments[1:]))
    from activator.cli import main as cli_main  # noqa: PLC0415

    sys.exit(cli_main(arguments))


if __name__ == "__main__":
    main()
