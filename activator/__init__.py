"""Make systemd socket activation easy and right.

The names below are the runtime: what runs inside an activated service. Each is loaded when
it is first used, so that ``import activator`` costs next to nothing and the tools, which
share this package, never load the runtime.
"""

import sys

TYPE_CHECKING = False  # type checkers take it for true; importing typing would cost too much
if TYPE_CHECKING:
    from activator import fdstore, notify
    from activator.errors import ActivatorError
    from activator.runtime.descriptor import Credentials, peer_credentials
    from activator.runtime.listen import Listener, Listeners, listen_fds
    from activator.runtime.log_handler import JournalHandler
    from activator.runtime.serving import serve
    from activator.runtime.serving.draining import draining
    from activator.runtime.serving.message import Message
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
    "Credentials": "activator.runtime.descriptor",
    "JournalHandler": "activator.runtime.log_handler",
    "Listener": "activator.runtime.listen",
    "Listeners": "activator.runtime.listen",
    "Message": "activator.runtime.serving.message",
    "__version__": "activator.version",
    "draining": "activator.runtime.serving.draining",
    "fdstore": "activator.fdstore",
    "listen_fds": "activator.runtime.listen",
    "notify": "activator.notify",
    "peer_credentials": "activator.runtime.descriptor",
    "serve": "activator.runtime.serving",
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
