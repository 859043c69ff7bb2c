"""What programs are known to need."""

from activator.generate import hardening
from activator.generate.specfile.spec import Spec
from activator.unitfile import unquoting


def opened(spec: Spec) -> Spec:
    """Return a spec with the need that its program is known to have, and a note on that.

    With MemoryDenyWriteExecute=yes, what makes machine code while it runs ends at each start.
    """
    if not spec.command or spec.hardening == "none":
        return spec
    needs = {*hardening.profiles()[spec.hardening].needs, *spec.needs}
    if "jit" in needs or any(item.name == "MemoryDenyWriteExecute" for item in spec.settings):
        return spec
    command, *_ = unquoting.split_command(spec.command)
    program, what = hardening.compiler((command.path, *command.argv[1:]))
    if not program:
        return spec
    place = spec.place(("exec",))
    text = f'{program} makes machine code while it runs ({what}): the need "jit" is added'
    note = f"{place}: {text}" if place else text
    return spec._replace(needs=(*spec.needs, "jit"), notes=(*spec.notes, note))
