"""What balancers ask on a path of its own, ``--health PATH``; the application does not see it.

Any method will do: HAProxy's ``option httpchk PATH`` asks by OPTIONS.
"""

from activator.runtime.serving.draining import draining

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HTTP = "http"
HEAD = "HEAD"


def _answer() -> tuple[int, str, bytes]:
    if draining.is_leaving():
        return 503, "Service Unavailable", b"draining\n"
    return 200, "OK", b"ok\n"


def asgi(app: "Any", path: str) -> "Any":
    """Return an ASGI application that answers the path, if any, and leaves all else to another."""
    if not path:
        return app

    async def call(scope: "Any", receive: "Any", send: "Any") -> None:
        if scope["type"] != HTTP or scope["path"] != path:
            await app(scope, receive, send)
            return
        status, _, body = _answer()
        headers = [
            (b"content-type", b"text/plain"),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return call


def wsgi(app: "Any", path: str) -> "Any":
    """Return a WSGI application that does the same."""
    if not path:
        return app

    def call(environ: "dict[str, Any]", start_response: "Any") -> "Any":
        if environ["PATH_INFO"] != path:
            return app(environ, start_response)
        status, reason, body = _answer()
        headers = [
            ("Content-Type", "text/plain"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
        ]
        start_response(f"{status} {reason}", headers)
        return [] if environ["REQUEST_METHOD"] == HEAD else [body]

    return call
