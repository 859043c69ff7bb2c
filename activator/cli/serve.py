"""``activator serve`` as click sees it: for ``--help`` and completion only."""

from activator.cli.twin import Twin
from activator.runtime.serving.options import OPTIONS

HELP = """Serve the descriptors that systemd passed, with MODULE:HANDLER.

The handler is async def h(reader, writer), def h(sock), or a class: asyncio.Protocol or
socketserver's. It serves listening sockets until SIGTERM, or one connection with Accept=yes.
For datagrams and netlink it is def h(data, addr), or an asyncio.DatagramProtocol class; for
a message queue def h(message, priority); for a FIFO or special file async def h(reader) or
def h(stream). To give sockets of different names (FileDescriptorName=) different handlers, write
NAME=MODULE:HANDLER for each.
Web applications are served with --asgi (by uvicorn) and --wsgi (by waitress).

\b
Example:
  [Service]
  ExecStart=activator serve activator.examples.echo:echo
  ExecStart=activator serve --asgi shop.web:app
"""

WORDS = "[NAME=]MODULE:HANDLER..."
command = Twin("serve", "activator.runtime.commands.serve", HELP, OPTIONS, WORDS)
