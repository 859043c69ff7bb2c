"""Statuses as text: a table of all, or all that is known of some."""

from collections.abc import Iterable, Sequence

import click

from activator.common.printable import printable
from activator.live.status.gather import Accounting, Address, Service, Status

_HEADS = (
    *("SOCKET", "STATE", "ADDRESS", "ACCEPTED", "OPEN", "QUEUE", "DROPS"),
    *("SERVICE", "PID", "UP", "STARTS"),
)
# What goes first where there is no room, and what is cut last of all.
_LEAST_FIRST = (
    *("STARTS", "PID", "ACCEPTED", "UP", "DROPS", "OPEN", "QUEUE", "SERVICE", "ADDRESS"),
)
# What may be cut, in this order, and how much stays of it.
_CUT = {"ADDRESS": 22, "SERVICE": 26, "SOCKET": 18, "STATE": 9}
_SHORTEST, _GAP = 7, "  "
_RIGHT = {"ACCEPTED", "OPEN", "QUEUE", "DROPS", "PID", "STARTS"}
_UNITS = (("y", 365 * 86400), ("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def overview(statuses: Sequence[Status], width: int = 0) -> str:
    """Return a table with a line for each address.

    Args:
        statuses: The sockets.
        width: The columns of the terminal: where there is no room, the least important columns
            are left out, and long cells are cut. 0 for as many as it takes.
    """
    rows = [dict(zip(_HEADS, _HEADS, strict=True))]
    styles: list[str] = [""]
    for status in statuses:
        for address in status.addresses or (Address("-", ""),):
            rows.append(dict(zip(_HEADS, map(printable, _row(status, address)), strict=True)))
            styles.append(_colour(status.state))
    widths = _fit({head: max(len(row[head]) for row in rows) for head in _HEADS}, width)
    lines = []
    for row, colour in zip(rows, styles, strict=True):
        cells = {
            head: _cut(row[head], size).rjust(size)
            if head in _RIGHT
            else (_cut(row[head], size).ljust(size))
            for head, size in widths.items()
        }
        if colour:
            cells["STATE"] = click.style(cells["STATE"], fg=colour)
        lines.append(_GAP.join(cells.values()).rstrip())
    lines[0] = click.style(lines[0], bold=True)
    return "".join(f"{line}\n" for line in lines)


def _fit(widths: dict[str, int], width: int) -> dict[str, int]:
    """Return the columns that there is room for, each with its width."""
    fitted = dict(widths)

    def excess() -> int:
        return sum(fitted.values()) + len(_GAP) * (len(fitted) - 1) - width if width else 0

    for head in _LEAST_FIRST:
        # A column goes only where cutting the long ones is not enough.
        if excess() > sum(max(fitted.get(each, 0) - least, 0) for each, least in _CUT.items()):
            del fitted[head]
    for head, least in (*_CUT.items(), ("SOCKET", _SHORTEST), ("STATE", _SHORTEST)):
        if head in fitted and (more := excess()) > 0:
            fitted[head] = max(fitted[head] - more, min(fitted[head], least))
    return fitted


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: max(width - 1, 0)]}…"


def _row(status: Status, address: Address) -> list[str]:
    first = address in status.addresses[:1] or not status.addresses
    service, pid, up, starts = _service_cells(status)
    return [
        status.name if first else "",
        status.state if first else "",
        address.address,
        _shown(status.accepted) if first else "",
        _shown(status.open if status.per_connection and first else address.open),
        _of(address.queue, address.queue_limit),
        _shown(address.drops),
        *((service, pid, up, starts) if first else ("", "", "", "")),
    ]


def _service_cells(status: Status) -> tuple[str, str, str, str]:
    if status.per_connection:
        live = sum(service.pid is not None for service in status.services)
        return f"{status.service}: {live} running", "-", "-", _shown(status.accepted)
    if not status.services:
        return f"{status.service}: not found", "-", "-", "-"
    service = status.services[0]
    state = service.state.partition(" ")[0]
    what = f"{state}, {service.result}" if service.result not in ("success", "") else state
    # Behind a proxy it is the program that people look for.
    behind = "".join(
        f" → {backend.name}: {backend.state.partition(' ')[0]}" for backend in status.backends
    )
    return (
        f"{service.name}: {what}{behind}",
        _shown(service.pid),
        _age(service.uptime_s),
        _shown(service.starts),
    )


def details(status: Status) -> str:
    """Return all that is known of a socket, one thing a line."""
    rows: list[tuple[str, str]] = [
        ("state", _with(status.state, "for", _age(status.since_s))),
        ("mode", "per-connection (Accept=yes)" if status.per_connection else "shared (Accept=no)"),
    ]
    if status.per_connection:
        rows.append(("accepted", f"{_shown(status.accepted)}, refused {_shown(status.refused)}"))
        rows.append(("open", _of(status.open, status.most)))
    else:
        rows.append(("open", _shown(status.open)))
    if status.backlog is not None:
        rows.append(("backlog", f"{status.backlog} asked for"))
    rows += _traffic("IP in", "IP out", status.ip)
    lines = [click.style(printable(status.name), bold=True), *_lines(rows, "  ")]
    for address in status.addresses:
        lines.append(f"  {printable(address.address)} ({address.kind})")
        lines += _lines(_address(address, status), "    ")
    if not status.services:
        lines.append(f"  {status.service}: {'no instances' if status.per_connection else 'none'}")
    for service in status.services:
        lines.append(f"  {printable(service.name)}")
        lines += _lines(_service(service), "    ")
    if status.backend:
        lines.append(f"  behind it, at {printable(status.backend)}")
    for service in status.backends:
        lines.append(f"  {printable(service.name)}")
        lines += _lines(_service(service), "    ")
    return "".join(f"{line}\n" for line in lines)


def _address(address: Address, status: Status) -> Iterable[tuple[str, str]]:
    what = " bytes" if address.kind == "datagram" else ""
    yield "queue", _of(address.queue, address.queue_limit) + what
    if address.kind in ("stream", "sequential-packet"):
        yield "open", _shown(address.open)
    yield "drops", _shown(address.drops)
    yield "receive buffer", _buffer(address.receive_buffer, status.receive_buffer)
    yield "send buffer", _buffer(address.send_buffer, status.send_buffer)
    if address.bytes_in is not None:
        found = Accounting(
            address.bytes_in, address.bytes_out, address.packets_in, address.packets_out
        )
        yield from _traffic("open TCP in", "open TCP out", found)


def _service(service: Service) -> Iterable[tuple[str, str]]:
    yield "state", _with(service.state, "for", _age(service.uptime_s))
    yield "PID", _shown(service.pid)
    if service.starts is not None:
        yield "starts", f"{service.starts} since the boot"
    if service.restarts:
        yield "restarts", str(service.restarts)
    yield "last result", service.result or "-"
    if service.status:
        # The manager keeps what a process said last until the next start.
        has_ended = service.state.startswith(("inactive", "failed", "activating (auto-restart"))
        yield ("said last" if has_ended else "says"), service.status
    yield from _traffic("IP in", "IP out", service.ip)


def _traffic(into: str, out: str, counted: Accounting) -> Iterable[tuple[str, str]]:
    """Yield what came in and went out, if that was counted."""
    if counted.bytes_in is not None:
        yield into, f"{_size(counted.bytes_in)} in {_shown(counted.packets_in)} packets"
        yield out, f"{_size(counted.bytes_out)} in {_shown(counted.packets_out)} packets"


def _lines(rows: Iterable[tuple[str, str]], indent: str) -> list[str]:
    return [f"{indent}{what + ':':<16}{printable(value)}" for what, value in rows]


def _buffer(real: int | None, asked: int | None) -> str:
    """Return a buffer's size in force beside the size asked for, of which the kernel takes two."""
    if asked is None:
        return f"{_size(real)} in force"
    less = " (less than that)" if real is not None and real < 2 * asked else ""
    return f"{_size(real)} in force, {_size(asked)} asked for{less}"


def _of(number: int | None, most: int | None) -> str:
    """Return a number and its limit."""
    if number is None and most is None:
        return "-"
    return f"{_shown(number)}/{_shown(most)}"


def _with(text: str, word: str, more: str) -> str:
    return text if more == "-" else f"{text} {word} {more}"


def _shown(number: int | None) -> str:
    return "-" if number is None else str(number)


def _size(number: int | None) -> str:
    """Return a size with its unit, as systemd writes it."""
    if number is None:
        return "-"
    for unit, step in (("G", 2**30), ("M", 2**20), ("K", 2**10)):
        if number >= step:
            return f"{number / step:.4g}{unit}"
    return f"{number}B"


def _age(seconds: float | None) -> str:
    """Return a time with its two largest units."""
    if seconds is None:
        return "-"
    left, parts = int(seconds), []
    for unit, size in _UNITS:
        if left >= size:
            parts.append(f"{left // size}{unit}")
            left %= size
    return " ".join(parts[:2]) or "0s"


def _colour(state: str) -> str:
    return {"listening": "green", "running": "green", "dead": ""}.get(
        state, "red" if state.startswith("failed") else "yellow"
    )
