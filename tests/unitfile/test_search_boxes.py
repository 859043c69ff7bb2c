"""The search against the real manager: which file, which drop-ins, which names a unit has."""

import pytest

from activator.unitfile.search import Search, system_path
from tests.boxes.box import Box

pytestmark = pytest.mark.each_systemd

UNIT = "[Service]\nExecStart=/bin/true\n"
DROP = "[Unit]\nDescription=x\n"
ETC, RUN, LIB = "/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system"
FILES = {
    f"{LIB}/find-one.service": UNIT,
    f"{RUN}/find-one.service": UNIT,
    f"{LIB}/find-one-two.service": UNIT,
    f"{LIB}/find-each@.service": UNIT,
    f"{ETC}/find-each@own.service": UNIT,
    f"{LIB}/find-masked.service": UNIT,
    f"{LIB}/find-one.service.d/20-a.conf": DROP,
    f"{ETC}/find-one.service.d/20-a.conf": DROP,
    f"{RUN}/find-one.service.d/30-b.conf": DROP,
    f"{LIB}/find-.service.d/10-prefix.conf": DROP,
    f"{LIB}/find-one-.service.d/15-prefix.conf": DROP,
    f"{ETC}/service.d/10-prefix.conf": DROP,
    f"{ETC}/service.d/40-type.conf": DROP,
    f"{LIB}/find-each@.service.d/50-template.conf": DROP,
    f"{RUN}/find-each@x.service.d/60-instance.conf": DROP,
    f"{LIB}/find-each@x.service.d/50-template.conf": DROP,
    f"{ETC}/find-alias.service.d/70-alias.conf": DROP,
    f"{LIB}/find-off.service.d/x.conf": DROP,
}
LINKS = {
    f"{ETC}/find-alias.service": f"{LIB}/find-one.service",
    f"{ETC}/find-other@.service": "../../../usr/local/lib/systemd/system/find-each@.service",
    f"{ETC}/find-masked.service": "/dev/null",
    f"{ETC}/find-one-two.service.d/15-prefix.conf": "/dev/null",
}
UNITS = (
    *("find-one.service", "find-alias.service", "find-one-two.service", "find-masked.service"),
    *("find-each@x.service", "find-each@own.service", "find-other@x.service"),
    *("dbus.service", "dbus.socket", "systemd-journald.socket", "default.target"),
)


def test_units_are_found_as_the_manager_does(box: Box) -> None:
    """File, drop-ins in their order, and masks, of units in every kind of place."""
    for path, text in FILES.items():
        box.write(path, text)
    for path, target in LINKS.items():
        box.run("sh", "-c", f"mkdir -p {path.rpartition('/')[0]} && ln -sf {target} {path}")
    box.systemctl("daemon-reload")
    try:
        root = f"/proc/{box.pid}/root"
        search = Search(system_path(root), root)
        for unit in UNITS:
            found = search.find(unit)
            assert found, unit
            masked = box.show(unit, "LoadState") == "masked"
            assert masked is found.masked, unit
            assert box.show(unit, "Id") == found.name or masked, unit
            assert unit in (found.name, *found.aliases)
            if not masked:
                real = box.run("readlink", "-f", box.show(unit, "FragmentPath")).stdout
                path = found.path.removeprefix(root)
                assert real == box.run("readlink", "-f", path).stdout, unit
                # The manager lists a masked drop-in, too, and reads nothing from it.
                shown = [
                    path for path in box.show(unit, "DropInPaths").split() if path not in LINKS
                ]
                assert shown == [path.removeprefix(root) for path in found.dropins], unit
    finally:
        box.run("rm", "-rf", *FILES, *LINKS)
        box.run("sh", "-c", f"rmdir {ETC}/*.d {RUN}/*.d {LIB}/*.d 2>/dev/null || true")
        box.systemctl("daemon-reload")
