"""The command that ``exec`` gives, as ExecStart= of a service or Exec= of a container has it."""

from typing import Any

from activator.errors import ActivatorError
from activator.generate.specfile.directives import check, one_line
from activator.unitfile import directives, quoting


def written(value: Any, version: int, *, contained: bool) -> str:
    """Return a command in systemd's syntax, which is Quadlet's too.

    Args:
        value: A command line, or a list of literal arguments.
        version: The systemd version it is for.
        contained: Whether it is for a container, whose image may know the program.

    Raises:
        ActivatorError: It is empty, or would not be understood.
    """
    if (isinstance(value, str) and not one_line(value)) or (contained and not value):
        image = "leave it out, to run what the image says"
        hint = image if contained else "begin with an absolute path"
        raise ActivatorError("exec is empty", hint)
    if isinstance(value, list) and not all(isinstance(word, str) for word in value):
        raise ActivatorError("exec is a list of more than strings", "give only strings")
    if contained:
        return one_line(value) if isinstance(value, str) else _arguments(value)
    text = one_line(value) if isinstance(value, str) else quoting.command(value)
    if directive := directives.lookup("Service", "ExecStart"):
        check(directive, text, version)
    return text


def _arguments(words: list[str]) -> str:
    """Return the words that stand behind the image's name."""
    if ";" in words:  # Quadlet would write it without the quotes that it has here
        raise ActivatorError('exec has ";" alone', "systemd would begin another command")
    return " ".join(map(quoting.argument, words))
