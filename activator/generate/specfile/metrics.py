"""The socket on which the runtime tells figures."""

from activator.errors import ActivatorError
from activator.generate.specfile.directives import Report
from activator.generate.specfile.spec import Mode, Spec


def check(spec: Spec, report: Report) -> None:
    """Note a socket for metrics that cannot be one.

    Args:
        spec: The spec, which names one.
        report: Called with the mistake.
    """
    shared = {socket.fdname for socket in spec.sockets if socket.mode is Mode.SHARED}
    if not spec.handlers:
        what, hint = (
            "the runtime serves metrics, and it does not run exec",
            "give a handler, or remove it",
        )
    elif spec.metrics not in shared:
        what = f"metrics = {spec.metrics!r} is not a shared socket"
        hint = f"add [sockets.{spec.metrics}] with a ListenStream="
    elif len(shared) == 1:
        what = "metrics takes the only shared socket"
        hint = "a service of connections or processes has no metrics"
    elif any(handler.fdname == spec.metrics for handler in spec.handlers):
        what, hint = f"socket {spec.metrics!r} has a handler too", "remove one"
    else:
        return
    report(ActivatorError(what, hint), ("metrics",))
