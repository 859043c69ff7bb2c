"""Tell a balancer whether to lead clients here, as HAProxy's agent-check asks.

It belongs on a socket of its own, beside those of the service::

    handler = { shop = "shop:serve", agent = "activator.examples.agent:agent" }
    drain-delay = 5

The answer is ``ready``, and ``drain`` from the moment on that the service is told to stop.
"""

import activator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter


async def agent(_: "StreamReader", writer: "StreamWriter") -> None:
    """Answer, and close the connection."""
    writer.write(b"drain\n" if activator.draining.is_leaving() else b"ready\n")
