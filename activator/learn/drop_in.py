"""The drop-in that has a service traced outside its sandbox."""

from collections.abc import Collection, Sequence

from activator.learn.sandbox import taken_off
from activator.learn.service import Service
from activator.learn.tracer import traced


def drop_in(
    service: Service, before: str, more: Sequence[str] = (), kept: Collection[str] = ()
) -> str:
    """Return the text of the drop-in; empty if the service has nothing to trace.

    Its commands stay as they are, but for strace before each that runs in the sandbox.

    Args:
        service: The service.
        before: What stands before its commands; see :func:`activator.learn.tracer.words`.
        more: Further lines of [Service].
        kept: Directives of its sandbox that stay.
    """
    commands = service.commands
    if not commands:
        return ""
    lines = ["[Service]", *taken_off(service, kept), *more]
    for name, entries in commands.items():
        lines += [f"{name}=", *(f"{name}={traced(entry.value, before)}" for entry in entries)]
    return "".join(f"{line}\n" for line in lines)
