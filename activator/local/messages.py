"""What the messages of a service mean: READY=1, FDSTORE=1, EXTEND_TIMEOUT_USEC= and so on.

Source: sd_notify(3), systemd.service(5) "NotifyAccess=".
"""

import os
from collections.abc import Callable, Iterable

from activator.common.fdname import is_fdname
from activator.common.integers import decimal
from activator.local.notify import Message
from activator.local.services.family import Family
from activator.local.services.service import Service
from activator.local.services.states import GONE
from activator.unitfile.values.numbers import ULONG_MAX

_NOTIFY_ACCESS = ("none", "main", "exec", "all")
_MICROSECONDS = 1_000_000
_INT_MAX = 2**31 - 1


def take(service: Service, message: Message) -> None:
    """Let a service act on a message that one of its processes has sent."""
    if refused := _refusal(service, message.sender):
        service.say("note", refused)
        return
    for name, act in _ACTIONS.items():
        if name in message.fields:
            act(service, message.fields[name], message)


def sender(pid: int, services: Iterable[Service], family: Family) -> Service | None:
    """Return the service that a process belongs to, None if it has gone or is no one's."""
    try:
        session = os.getsid(pid)
    except ProcessLookupError:
        return None
    live = [service for service in services if service.state not in GONE]
    for service in live:
        if session in service.processes.sessions:
            return service
    invocation = family.invocation_of(pid)
    return next((each for each in live if each.processes.invocation == invocation), None)


def _refusal(service: Service, sender: int) -> str:
    """Return why a sender may not notify, nothing if it may."""
    access, main = service.notify_access, service.main_pid
    control = service.processes.control
    allowed = {
        "all": True,
        "exec": sender in (main, control.pid if control is not None else -1),
        "main": sender == main,
        "none": False,
    }[access]
    if allowed:
        return ""
    hint = "set NotifyAccess=all"
    if access == "main":
        return f"PID {sender} notified, and NotifyAccess=main takes it from {main} alone; {hint}"
    return f"PID {sender} notified, and NotifyAccess={access} does not take it; {hint}"


def _status(service: Service, value: str, _: Message) -> None:
    """Remember and show STATUS=."""
    service.status_text = value
    service.say("status", value)


def _main_pid(service: Service, value: str, message: Message) -> None:
    """Take another process for the main one, if it is the service's, or root says so."""
    pid = _number(value, _INT_MAX)
    if pid in (0, 1, service.main_pid, os.getpid()):
        return
    if service.processes.owns(pid) or message.uid == 0:
        if not service.adopt(pid):
            service.say("note", f"there is no process {pid}, which it named as MAINPID=")
    else:
        service.say("note", f"MAINPID={pid} is none of its processes: not taken")


def _ready(service: Service, value: str, _: Message) -> None:
    """Count it as started, or reloaded."""
    if value == "1":
        service.ready()


def _reloading(service: Service, value: str, message: Message) -> None:
    """Count it as reloading."""
    if value == "1":
        service.reloading(_number(message.fields.get("MONOTONIC_USEC", ""), ULONG_MAX))


def _stopping(service: Service, value: str, _: Message) -> None:
    """Count it as stopping."""
    if value == "1":
        service.stopping()


def _watchdog(service: Service, value: str, _: Message) -> None:
    """Feed the watchdog, or act as if it had not been fed."""
    if value == "1":
        service.feed()
    elif value == "trigger":
        service.starve(asked=True)


def _watchdog_usec(service: Service, value: str, _: Message) -> None:
    """Change the watchdog's limit."""
    if span := _number(value, ULONG_MAX):
        service.feed(span / _MICROSECONDS)


def _extend(service: Service, value: str, _: Message) -> None:
    """Let the current state take longer."""
    if span := _number(value, ULONG_MAX):
        service.extend(span / _MICROSECONDS)


def _number(value: str, largest: int) -> int:
    """Read a number; 0 for what is none, or too large, which systemd does not take either."""
    number = decimal(value) or 0
    return number if number <= largest else 0


def _access(service: Service, value: str, _: Message) -> None:
    """Change who may notify."""
    if value in _NOTIFY_ACCESS:
        service.notify_access = value


def _remove(service: Service, value: str, message: Message) -> None:
    """Drop descriptors from the store, by name."""
    if value == "1" and (name := message.fields.get("FDNAME")) is not None:
        service.store.remove(name)


def _store(service: Service, value: str, message: Message) -> None:
    """Take descriptors into the store."""
    if value != "1" or not message.descriptors or message.fields.get("FDSTOREREMOVE") == "1":
        return
    if not service.unit.store_max:
        service.say("note", "FDSTORE=1 is not taken; set FileDescriptorStoreMax=")
        return
    name = message.fields.get("FDNAME", "stored")
    if name and not is_fdname(name):  # systemd takes an empty one here
        service.say("note", f"FDNAME={name} is not a name: stored is used")
        name = "stored"
    watch = message.fields.get("FDPOLL") != "0"
    if dropped := service.store.add(message.take(), name, watch=watch):
        service.say("note", f"{dropped} too many for its store; raise FileDescriptorStoreMax=")


# In systemd's order: MAINPID= counts before what the new process says.
_ACTIONS: dict[str, Callable[[Service, str, Message], None]] = {
    "MAINPID": _main_pid,
    "STOPPING": _stopping,
    "READY": _ready,
    "RELOADING": _reloading,
    "STATUS": _status,
    "NOTIFYACCESS": _access,
    "WATCHDOG": _watchdog,
    "WATCHDOG_USEC": _watchdog_usec,
    "EXTEND_TIMEOUT_USEC": _extend,
    "FDSTOREREMOVE": _remove,
    "FDSTORE": _store,
}
