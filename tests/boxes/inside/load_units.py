"""Load units into the booted systemd and print what it understood, as JSON.

Runs inside a box with the box's own Python; it knows nothing of the project.
Standard input: {"files": {name: text}, "ask": {unit: {interface: [property, ...]}}}.
"""

import json
import pathlib
import sys

import dbus

UNITS = pathlib.Path("/run/systemd/system")
SYSTEMD = "org.freedesktop.systemd1"
# For one answer, of a machine that others use too: seconds.
PATIENCE = 600


def plain(value: object) -> object:
    """Turn D-Bus types into JSON's."""
    if isinstance(value, dbus.Array | dbus.Struct):
        return [plain(item) for item in value]
    if isinstance(value, dbus.Boolean):
        return bool(value)
    if isinstance(value, int):
        return int(value)
    return str(value)


def main() -> None:
    """Write, load, ask, and remove again."""
    job = json.load(sys.stdin)
    UNITS.mkdir(parents=True, exist_ok=True)
    for name, text in job["files"].items():
        (UNITS / name).parent.mkdir(exist_ok=True)
        (UNITS / name).write_text(text, encoding="utf-8", newline="")
    bus = dbus.SystemBus()
    # Without introspection: for a unit that takes longer than the question itself.
    manager = dbus.Interface(
        bus.get_object(SYSTEMD, "/org/freedesktop/systemd1", introspect=False),
        f"{SYSTEMD}.Manager",
    )
    manager.Reload(timeout=PATIENCE)
    answers: dict[str, dict[str, object]] = {}
    for unit, interfaces in job["ask"].items():
        loaded = dbus.Interface(
            bus.get_object(SYSTEMD, manager.LoadUnit(unit, timeout=PATIENCE), introspect=False),
            "org.freedesktop.DBus.Properties",
        )
        answers[unit] = {
            name: plain(loaded.Get(f"{SYSTEMD}.{interface}", name, timeout=PATIENCE))
            for interface, names in interfaces.items()
            for name in names
        }
    for name in job["files"]:
        (UNITS / name).unlink()
    manager.Reload(timeout=PATIENCE)
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
