"""The spec: a service and its sockets in systemd's own words plus a few intents.

``load(path)`` reads a TOML file, ``from_options(tree)`` the words of a command line; both
give a :class:`Spec` whose every value has been checked, or raise with FILE:LINE and a hint.
"""

from activator.generate.specfile.load import from_options, load, loads
from activator.generate.specfile.spec import Mode, Setting, Socket, Spec

__all__ = ["Mode", "Setting", "Socket", "Spec", "from_options", "load", "loads"]
