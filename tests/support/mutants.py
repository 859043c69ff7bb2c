"""Units with random faults, the same ones for the same seed."""

import random
from functools import cache

from activator.check import catalogue
from activator.unitfile import directives, forms
from activator.unitfile.directives import Directive
from activator.unitfile.sections import OWN_SECTION
from tests.support import vocabulary

# What systemd says about these depends on the machine, or comes when the unit starts.
SPARED = {"condition", "condition-path"}
# Which system calls there are is known to libseccomp alone; a second Unit= is one too many.
SPARED_NAMES = {"SystemCallFilter", "SystemCallLog", "Unit"}
ODD = (
    *("", "0", "1", "-1", "99999999999999999999", "0777", "1.5", "5%", "no", "yes", "auto"),
    *("%t", "%Z", "%", "%%", "a b", '"a b"', "'open", "a\\x41", "a\\q", "/a/../b", "/", "a/b"),
    *("~", "~a", "-", "@x", ":", "a:b:c", "infinity", "10s", "5x", "1K", "1k", "1KB", "8Mi"),
    *("ä", "a;b", "x # y", "AF_UNIX", "SIGTERM", "t.service", "t.socket", "t@.service"),
    *("127.0.0.1:80", "[::1]:80", "::1", "host:80", "/run/t.sock", "@t", "vsock::5", "70000"),
)
BASES = {
    "service": "[Unit]\nDescription=mutant\n[Service]\nExecStart=/bin/true\n",
    "socket": "[Unit]\nDescription=mutant\n[Socket]\nListenStream=/run/{name}.sock\n"
    "Service=mutant-target.service\n",
    "timer": "[Timer]\nOnBootSec=5\nUnit=mutant-target.service\n",
    "path": "[Path]\nPathExists=/run/x\nUnit=mutant-target.service\n",
    "slice": "[Slice]\n",
}
# What the sockets, timers and paths start.
TARGET = {"mutant-target.service": "[Service]\nExecStart=/bin/true\n"}


@cache
def _known(section: str) -> tuple[Directive, ...]:
    """Return the directives of a section whose values are judged when the unit is loaded."""
    names = directives.names(section)
    if not names:
        names = tuple(one.name for one in catalogue.own() if one.section == section)
    found = (catalogue.lookup(section, name) for name in names)
    return tuple(
        one
        for one in found
        if one is not None and one.type not in SPARED and one.name not in SPARED_NAMES
    )


def _value(directive: Directive, random: random.Random) -> str:
    """Return a value that a directive may take."""
    try:
        choices = [vocabulary.sample(directive)]
        choices += forms.form(directive).examples
    except (LookupError, KeyError):
        choices = ["5", "yes", "/run/x", "t.service"]
    return random.choice(choices)


def _swap(text: str, random: random.Random) -> str:
    """Return a text with two neighbours swapped, one left out, doubled or in another case."""
    if not text:
        return "x"
    at = random.randrange(len(text))
    way = random.randrange(5)
    if way == 0:
        return text[:at] + text[at + 1 :]
    if way == 1:
        return text[:at] + text[at] + text[at:]
    if way == 2:
        return text[:at] + text[at : at + 2][::-1] + text[at + 2 :]
    if way == 3:
        return text[:at] + text[at].swapcase() + text[at + 1 :]
    return text[:at] + random.choice("aZ5%/:. -\\\"'=") + text[at + 1 :]


def _line(section: str, random: random.Random) -> str:
    """Return a line of a section: right, or wrong in one way."""
    directive = random.choice(_known(section))
    value = _value(directive, random)
    ways = [
        lambda: f"{directive.name}={value}",
        lambda: f"{directive.name}={_swap(value, random)}",
        lambda: f"{directive.name}={random.choice(ODD)}",
        lambda: f"{directive.name}={value} {random.choice(ODD)}",
        lambda: f"{directive.name}={_value(random.choice(_known(section)), random)}",
        lambda: f"{_swap(directive.name, random)}={value}",
        lambda: f"{directive.name} {value}",
        lambda: f"  {directive.name} =  {value}  ",
    ]
    # Wrong values are what there is most to know about.
    return random.choices(ways, weights=[2, 4, 6, 2, 3, 1, 0.2, 0.5])[0]()


def _is_one_line(line: str) -> bool:
    """Tell whether a line does not join the next one to it."""
    return not (len(line) - len(line.rstrip("\\"))) % 2


def units(seed: int, count: int) -> dict[str, str]:
    """Return units with faults, by name.

    Args:
        seed: Decides everything.
        count: How many.
    """
    source = random.Random(seed)
    made: dict[str, str] = {}
    for number in range(count):
        kind = source.choices(list(BASES), weights=[6, 6, 1, 1, 1])[0]
        name = f"mutant-{number}.{kind}"
        own = OWN_SECTION[kind]
        text = BASES[kind].replace("{name}", f"mutant-{number}")
        for section in source.choices([own, "Unit", "Install", "Bogus"], [8, 2, 0.5, 0.1], k=2):
            text += f"[{section}]\n"
            where = section if section != "Bogus" else own
            for _ in range(source.randrange(1, 4)):
                line = _line(where, source)
                text += f"{line}\n" if _is_one_line(line) else ""
        made[name] = text
    return made
