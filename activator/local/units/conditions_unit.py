"""From Condition*= and Assert*= to what is looked at before a unit starts.

Source: systemd.unit(5), "Conditions and Asserts".
"""

from activator.local.units.reader import Reader
from activator.local.units.service_model import Condition, Conditions

# What an ordinary process can find out by itself; the others are listed as ignored.
KINDS = (
    "PathExists",
    "PathExistsGlob",
    "PathIsDirectory",
    "PathIsSymbolicLink",
    "PathIsMountPoint",
    "PathIsReadWrite",
    "PathIsSocket",
    "DirectoryNotEmpty",
    "FileNotEmpty",
    "FileIsExecutable",
    "Architecture",
    "Capability",
    "CPUFeature",
    "CPUs",
    "Environment",
    "FirstBoot",
    "Group",
    "Host",
    "KernelCommandLine",
    "KernelVersion",
    "Memory",
    "OSRelease",
    "User",
    "Virtualization",
)


def read_conditions(reader: Reader) -> Conditions:
    """Make the model of what must hold before a unit starts.

    Raises:
        ActivatorError: systemd would skip a line.
    """
    return Conditions(_read(reader, "Condition"), _read(reader, "Assert"))


def _read(reader: Reader, prefix: str) -> tuple[Condition, ...]:
    """Return the conditions, or the assertions; an empty line of any kind clears them all."""
    found = []
    for entry in reader.entries("Unit", *(f"{prefix}{kind}" for kind in KINDS)):
        text = entry.value
        trigger, text = text.startswith("|"), text.removeprefix("|").lstrip()
        negate, text = text.startswith("!"), text.removeprefix("!").lstrip()
        value = reader.expand(entry, text)
        if value.startswith("/"):
            value = reader.runtime.path(value)
        found.append(Condition(entry.name, value, entry.place, trigger=trigger, negate=negate))
    return tuple(found)
