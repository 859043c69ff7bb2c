"""A web application for ``--wsgi``, made with Flask (Django's are served in the same way)."""

import time
from collections.abc import Iterator

from flask import Flask, Response, jsonify, request

app = Flask(__name__)


@app.route("/", methods=["GET", "POST"])
def greet() -> Response:
    """Tell the clients who they are and how they have asked."""
    return jsonify(
        client=request.environ["REMOTE_ADDR"],
        scheme=request.scheme,
        body=request.get_data(as_text=True),
    )


@app.route("/count")
def count() -> Response:
    """Count aloud, a line each tenth of a second."""

    def lines(numbers: range) -> Iterator[str]:
        for number in numbers:
            yield f"{number}\n"
            time.sleep(0.1)

    return Response(lines(range(request.args.get("to", 3, int))), mimetype="text/plain")
