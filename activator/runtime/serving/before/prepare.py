"""Find out what comes before a service's handlers, by its settings."""

from socket import SOCK_STREAM

from activator.errors import UsageError
from activator.runtime.listener import Listener
from activator.runtime.serving.handlers import CONNECTED, LISTENING
from activator.runtime.serving.trusted import INTERNET, Trusted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from activator.runtime.serving.route import Route
    from activator.runtime.serving.settings import Settings


def prepare(routes: "Sequence[Route]", settings: "Settings") -> "Settings":
    """Return the settings with what was made of them, and tell the routes that it concerns.

    Raises:
        ActivatorError: Something is of no use here, or cannot be had.
    """
    alone = all(route.listener.kind == CONNECTED for route in routes)
    # Connections beside listeners come from the fd store, those of other listeners from earlier
    # workers: they have all that behind them.
    fresh = [
        route
        for route in routes
        if alone or (route.listener.kind in LISTENING and type(route.listener) is Listener)
    ]
    if settings.proxy_protocol:
        settings = with_proxies([route.listener for route in fresh], settings)
        for route in fresh:
            route.is_proxied = settings.trusted.concern(route.listener)
    if settings.tls_key and not settings.tls_cert:
        what = "it is of no use without a certificate"
        raise UsageError(what, "add --tls-cert FILE", place="--tls-key")
    if settings.tls_cert:
        concerned = [route for route in fresh if _is_tcp(route.listener)]
        if not concerned:
            hint = "TLS is for TCP; Unix sockets are served as they are"
            raise UsageError("there is no TCP socket", hint, place="--tls-cert")
        from activator.runtime.serving.before.tls import Tls  # noqa: PLC0415 - it costs a start

        settings = settings.but(tls=Tls(settings.tls_cert, settings.tls_key))
        for route in concerned:
            route.tls = settings.tls
    return settings


def with_proxies(listeners: "Iterable[Listener]", settings: "Settings") -> "Settings":
    """Return the settings with the proxies that are trusted.

    Raises:
        UsageError: They are none, or no connection can come from them.
    """
    trusted = Trusted(settings.proxy_protocol)
    if not any(map(trusted.concern, listeners)):
        hint = "networks and local are for TCP, unix is for Unix sockets"
        what = f"no proxy can come from {settings.proxy_protocol} to these sockets"
        raise UsageError(what, hint, place="--proxy-protocol")
    return settings.but(trusted=trusted)


def _is_tcp(listener: "Listener") -> bool:
    return listener.family in INTERNET and listener.socket().type == SOCK_STREAM
