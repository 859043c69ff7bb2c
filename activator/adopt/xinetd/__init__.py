"""xinetd.conf, and what it includes, to drafts: xinetd.conf(5)."""

from activator.adopt.xinetd.services import read

__all__ = ["read"]
