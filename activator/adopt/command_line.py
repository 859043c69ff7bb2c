"""A command line, or a line of a Procfile, to a draft."""

import shlex
from collections.abc import Iterator, Sequence

from activator.adopt import activating, programs
from activator.adopt.model import Adopted, Draft, Kind, Line, Note, Socket
from activator.adopt.superserver import spec_name
from activator.errors import ActivatorError
from activator.generate.specfile.names import NAME_MAX
from activator.unitfile import quoting

_PROFILE = "standard"
_WHY = "all but what a usual daemon needs is closed; `activator learn` finds what else it needs"
# Words of a shell, which a unit has none of.
_SHELL = ("&&", "||", "|", ";", ">", "<", ">>", "&", "`", "$(")
_WEB = "web"


def adopt(
    argv: Sequence[str], place: str, *, name: str = "", listen: Sequence[str] = ()
) -> Adopted:
    """Return what becomes of a command line.

    Args:
        argv: The program and its arguments, as literal text.
        place: Where it stands.
        name: The name of the spec; by default the program's.
        listen: Where it listens, if that is said apart.
    """
    shown = shlex.join(argv)
    try:
        value = quoting.command(argv) if argv else ""
        program, _ = programs.find(argv) if argv else (None, 0)
        base = program.name if program else argv[0].rpartition("/")[2] if argv else ""
        name = name or spec_name(base)[:NAME_MAX]
        way = activating.find(value, name, place, listen)
    except ActivatorError as error:
        return Adopted(shown, None, (_refused(error, place),))
    return Adopted(shown, _draft(name, f"the command {shown}", way), way.notes)


def procfile(text: str, path: str, *, listen: Sequence[str] = ()) -> Iterator[Adopted]:
    """Yield what becomes of each line of a Procfile: ``NAME: COMMAND``.

    Args:
        text: The file's text.
        path: The file.
        listen: Where the process ``web`` listens, if its command does not say so.
    """
    for number, line in enumerate(text.split("\n"), 1):
        place = f"{path}:{number}"
        name, colon, command = line.partition(":")
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            argv = _split(command if colon else "", place)
        except ActivatorError as error:
            yield Adopted(place, None, (_refused(error, place),))
            continue
        if name.strip() != _WEB and not listen:
            what = f"{name.strip()} gets no clients, and so no socket; a unit may run it as it is"
            yield Adopted(place, None, (Note(Kind.GONE, place, what),))
            continue
        found = adopt(argv, place, name=spec_name(name.strip()), listen=listen)
        yield found._replace(source=place)


def _split(command: str, place: str) -> list[str]:
    """Return the words of a command that a shell would read.

    Raises:
        ActivatorError: It is no plain command.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ActivatorError(str(error).lower(), "close the quote", place=place) from None
    if not words:
        raise ActivatorError("the line is no NAME: COMMAND", "write both", place=place)
    if any(word in _SHELL or word.startswith(("$(", "`")) for word in words):
        hint = "put it into a script, and name that"
        raise ActivatorError("the command is for a shell", hint, place=place)
    for index, word in enumerate(words):
        if "$PORT" in word or "${PORT" in word:
            words[index] = word.replace("${PORT:-5000}", "5000").replace("${PORT}", "5000")
            words[index] = words[index].replace("$PORT", "5000")
    return words


def _draft(name: str, origin: str, way: activating.Way) -> Draft:
    """Return the draft for a command."""
    keys = [*way.keys, Line("hardening", _PROFILE, why=_WHY)]
    if way.needs:
        keys.append(Line("needs", list(way.needs)))
    return Draft(
        name=name,
        origin=origin,
        keys=tuple(keys),
        sockets=(Socket(name, way.listen),),
        service=way.settings,
    )


def _refused(error: ActivatorError, place: str) -> Note:
    what = f"{error.message}; {error.hint}" if error.hint else error.message
    return Note(Kind.REFUSED, error.place or place, what)
