"""From Exec*= lines to commands.

Source: systemd.service(5), "Command lines".
"""

from activator.errors import ActivatorError
from activator.local.units.reader import Reader
from activator.local.units.service_model import ExecCommand
from activator.unitfile.parse import Entry
from activator.unitfile.unquoting import split_command


def read_commands(
    reader: Reader, section: str, names: tuple[str, ...]
) -> dict[str, tuple[ExecCommand, ...]]:
    """Return the commands of each directive that has any, specifiers resolved.

    Raises:
        ActivatorError: A line cannot be taken apart, or needs a shell.
    """
    found = {}
    for name in names:
        lines = [_commands(reader, entry) for entry in reader.entries(section, name)]
        if commands := [command for line in lines for command in line]:
            found[name] = tuple(commands)
    return found


def _commands(reader: Reader, entry: Entry) -> list[ExecCommand]:
    """Return the commands of one line."""
    try:
        split = split_command(entry.value)
    except ActivatorError as error:
        raise error.at(entry.place)  # noqa: B904 - the same error, with its place
    commands = []
    for prefixes, path, argv in split:
        if "|" in prefixes:
            raise ActivatorError(
                "the prefix | is not run here", "write sh -c 'COMMAND'", place=entry.place
            )
        expanded = tuple(reader.expand(entry, word) for word in argv)
        commands.append(ExecCommand(prefixes, reader.expand(entry, path), expanded, entry.place))
    return commands
