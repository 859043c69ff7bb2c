"""Take connections back from the service manager's fd store, and leave them there once more."""

from activator.runtime.serving.handlers import CONNECTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from activator.runtime.serving.route import Route


def forget_restored(routes: "Iterable[Route]") -> "list[Route]":
    """Return the routes of connections, and have the manager close its copies of them.

    Else a connection would stay open after its end here, and come back once more. Must be
    called before handlers run, which may leave theirs there by the same name.
    """
    restored = [route for route in routes if route.listener.kind == CONNECTED]
    if not restored:
        return restored
    from activator.fdstore import forget  # noqa: PLC0415 - few services leave any there

    for name in dict.fromkeys(route.listener.name for route in restored):
        forget(name)
    return restored


def keep_again(restored: "Iterable[Route]") -> None:
    """Leave the connections that nobody has served yet to the next process."""
    for route in restored:
        from activator.fdstore import keep  # noqa: PLC0415 - as above

        keep(route.listener.name, route.listener.fd)
