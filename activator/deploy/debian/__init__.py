"""What a Debian package of a socket-activated daemon needs, made from its specs.

The units under the names by which debhelper finds them, a fragment for ``debian/rules`` that
enables and starts the sockets and leaves the services to their first client, the maintainer
scripts that debhelper does not write, and the users and directories that the units name. Where
there is no package yet, the rest of a plain one too.
"""

from activator.deploy.debian.package import Package, Unit, existing, package
from activator.deploy.debian.skeleton import skeleton
from activator.deploy.debian.texts import texts

__all__ = ["Package", "Unit", "existing", "package", "skeleton", "texts"]
