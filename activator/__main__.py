"""The ``activator`` command's entry point; also ``python -m activator``.

The commands of :data:`RUNTIME_COMMANDS` are what services run, so they go straight to the
runtime and its own small command lines: neither click nor anything else of the tools is
loaded for them.
"""

import errno
import sys

# Command → the module of the runtime whose main() reads the rest of the command line.
RUNTIME_COMMANDS = {
    "exec": "activator.runtime.commands.exec",
    "inspect": "activator.runtime.commands.inspect.command",
    "reload": "activator.runtime.commands.reload",
    "serve": "activator.runtime.commands.serve",
    "wait-for": "activator.runtime.commands.wait_for",
}
HELP = frozenset({"-h", "--help"})
# How many more objects than before make a tool look for garbage: more than most of them ever
# make, because a fifth of their time would go there. One that goes on collects all the same.
OBJECTS = 50_000


def main() -> None:
    """Run the command named on the command line and exit with its status."""
    try:
        _run()
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE):
            raise
        if sys.stderr:  # nothing can be loaded for it
            sys.stderr.write(f"activator: {error.strerror}; a higher LimitNOFILE= would help\n")
        sys.exit(1)


def _run() -> None:
    arguments = sys.argv[1:]
    # What follows "--" is another program's.
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if arguments and arguments[0] in RUNTIME_COMMANDS and not HELP.intersection(own):
        if None in (sys.stdin, sys.stdout, sys.stderr):  # closed when this process began
            import os  # noqa: PLC0415 - the same

            from activator.common.descriptors import fill_standard  # noqa: PLC0415 - rarely needed

            fill_standard(output=os.O_RDONLY if arguments[0] == "inspect" else os.O_RDWR)
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
