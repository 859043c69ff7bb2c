"""The ``activator`` command's entry point; also ``python -m activator``.

The commands of :data:`RUNTIME_COMMANDS` are what services run, so they go straight to the
runtime and its own small command lines: neither click nor anything else of the tools is
loaded for them.
"""

import sys

# Command → the module of the runtime whose main() reads the rest of the command line.
RUNTIME_COMMANDS = {
    "exec": "activator.onward",
    "inspect": "activator.inspection.command",
    "reload": "activator.reload",
    "serve": "activator.serving.command",
    "wait-for": "activator.waiting",
}
HELP = frozenset({"-h", "--help"})
# How many more objects than before make a tool look for garbage: more than most of them ever
# make, because a fifth of their time would go there. One that goes on collects all the same.
OBJECTS = 50_000


def main() -> None:
    """Run the command named on the command line and exit with its status."""
    arguments = sys.argv[1:]
    # What follows "--" is another program's.
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if arguments and arguments[0] in RUNTIME_COMMANDS and not HELP.intersection(own):
        home = RUNTIME_COMMANDS[arguments[0]]
        __import__(home)  # importlib itself is not loaded yet
        sys.exit(sys.modules[home].main(arguments[1:]))
    # The runtime needs neither of these.
    import atexit  # noqa: PLC0415
    import gc  # noqa: PLC0415

    gc.set_threshold(OBJECTS)
    atexit.register(gc.freeze)  # or the interpreter would look once more before it ends
    try:
        from activator.cli import main as cli_main  # noqa: PLC0415

        status = cli_main(arguments)
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)


if __name__ == "__main__":
    main()
