"""What a child keeps of root's privileges: capabilities(7) and the change of user.

Source: systemd.exec(5), CapabilityBoundingSet=, AmbientCapabilities=, SecureBits=; the order is
systemd's: the bounding set first, then the user, then what that user keeps.
"""

import ctypes
import os
from collections.abc import Callable, Iterator

from activator.local.services.process import Setting
from activator.local.units.capabilities import ALL
from activator.local.units.service_model import Privileges

_PR_CAPBSET_READ, _PR_CAPBSET_DROP = 23, 24
_PR_GET_SECUREBITS, _PR_SET_SECUREBITS = 27, 28
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 47, 2
_KEEP_CAPS = 1 << 4
_VERSION_3 = 0x20080522
_libc = ctypes.CDLL(None, use_errno=True)


class _Header(ctypes.Structure):
    """What capget(2) is asked about."""

    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    """Half of the sets of capget(2)."""

    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def privilege_settings(wanted: Privileges, uid: int | None) -> Iterator[Setting]:
    """Yield what is to be set.

    Args:
        wanted: The settings.
        uid: The user to become, None to stay who we are.
    """
    if wanted.bounding is not None:
        yield Setting("CapabilityBoundingSet", _drop_all_but, (wanted.bounding,))
    if uid is not None and (wanted.ambient or wanted.secure_bits):
        yield Setting("User", _keep_capabilities, ())
    if uid is not None:
        yield Setting("User", os.setresuid, (uid,) * 3)
    if wanted.ambient or (wanted.secure_bits and uid is not None):
        yield Setting("AmbientCapabilities", _raise, (wanted.ambient,))
    if wanted.secure_bits:
        yield Setting("SecureBits", _call, (_libc.prctl, _PR_SET_SECUREBITS, wanted.secure_bits))


def _call(function: Callable[..., int], *arguments: object) -> int:
    """Call a function of libc.

    Raises:
        OSError: It has failed.
    """
    done = function(*arguments, *(0,) * (5 - len(arguments)))
    if done < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return done


def _drop_all_but(kept: int) -> None:
    """Drop what is not in a set from the bounding set, and from what is inherited."""
    for number in ALL:
        if not kept >> number & 1 and _libc.prctl(_PR_CAPBSET_READ, number, 0, 0, 0) == 1:
            _call(_libc.prctl, _PR_CAPBSET_DROP, number)
    _change(kept, 0)


def _keep_capabilities() -> None:
    """Let the change of user leave the permitted set as it is, until the next exec."""
    bits = _call(_libc.prctl, _PR_GET_SECUREBITS)
    _call(_libc.prctl, _PR_SET_SECUREBITS, bits | _KEEP_CAPS)


def _raise(ambient: int) -> None:
    """Let capabilities go on to the program, whoever runs it.

    As with systemd, those that nobody can have here, as in a container, are left out.
    """
    numbers = [each for each in ALL if ambient >> each & 1]
    numbers = [each for each in numbers if _libc.prctl(_PR_CAPBSET_READ, each, 0, 0, 0) == 1]
    _change(0, sum(1 << each for each in numbers))
    for number in numbers:
        _call(_libc.prctl, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, number)


def _change(kept: int, added: int) -> None:
    """Change the inheritable set, and make all effective that is permitted."""
    header = _Header(_VERSION_3, 0)
    sets = (_Sets * 2)()
    if _libc.capget(ctypes.byref(header), sets) < 0:
        raise OSError(ctypes.get_errno(), "capget")
    for half, each in enumerate(sets):
        shift = 32 * half
        each.effective = each.permitted
        each.inheritable = each.inheritable & (kept >> shift) | (added >> shift) & 0xFFFFFFFF
    if _libc.capset(ctypes.byref(header), sets) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
