"""Make systemd socket activation easy and right.

The names below are the runtime: what runs inside an activated service. Each is loaded when
it is first used, so that ``import activator`` costs next to nothing and the tools, which
share this package, never load the runtime.
"""

import sys

TYPE_CHECKING = False  # type checkers take it for true; importing typing would cost too much
if TYPE_CHECKING:
    from activator import fdstore, notify
    from activator.descriptor import Credentials, peer_credentials
    from activator.errors import ActivatorError
    from activator.listen import Listener, Listeners, listen_fds
    from activator.logs import JournalHandler
    from activator.serving import serve
    from activator.serving.draining import draining
    from activator.serving.messages import Message
    from activator.version import __version__

__all__ = [
    "ActivatorError",
    "Credentials",
    "JournalHandler",
    "Listener",
    "Listeners",
    "Message",
    "__version__",
    "draining",
    "fdstore",
    "listen_fds",
    "notify",
    "peer_credentials",
    "serve",
]

# Name → the module that has it; a module that has no such name is meant itself.
HOMES = {
    "ActivatorError": "activator.errors",
    "Credentials": "activator.descriptor",
    "JournalHandler": "activator.logs",
    "Listener": "activator.listen",
    "Listeners": "activator.listen",
    "Message": "activator.serving.messages",
    "__version__": "activator.version",
    "draining": "activator.serving.draining",
    "fdstore": "activator.fdstore",
    "listen_fds": "activator.listen",
    "notify": "activator.notify",
    "peer_credentials": "activator.descriptor",
    "serve": "activator.serving",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first used (PEP 562)."""
    if name not in HOMES:
        raise AttributeError(f"module 'activator' has no attribute {name!r}")
    home = HOMES[name]
    __import__(home)  # importlib itself is not loaded yet in a bare interpreter
    module = sys.modules[home]
    value = globals()[name] = getattr(module, name, module)
    return value


def __dir__() -> list[str]:
    """Name what can be used, loaded or not."""
    return sorted(__all__)
