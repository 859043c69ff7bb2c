"""Statuses as text: a table of all, or all that is known of some."""

from collections.abc import Iterable, Sequence

import click

from activator.status.model import Accounting, Address, Service, Status

_HEADS = (
    *("SOCKET", "STATE", "ADDRESS", "ACCEPTED", "OPEN", "QUEUE", "DROPS"),
    *("SERVICE", "PID", "UP", "STARTS"),
)
_RIGHT = {"ACCEPTED", "OPEN", "QUEUE", "DROPS", "PID", "STARTS"}
_UNITS = (("y", 365 * 86400), ("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def overview(statuses: Sequence[Status]) -> str:
    """Return a table with a line for each address."""
    rows = [list(_HEADS)]
    styles: list[str] = [""]
    for status in statuses:
        for address in status.addresses or (Address("-", ""),):
            rows.append(_row(status, address))
            styles.append(_colour(status.state))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS))]
    lines = []
    for row, colour in zip(rows, styles, strict=True):
        cells = [
            cell.rjust(width) if head in _RIGHT else cell.ljust(width)
            for cell, width, head in zip(row, widths, _HEADS, strict=True)
        ]
        if colour:
            cells[1] = click.style(cells[1], fg=colour)
        lines.append("  ".join(cells).rstrip())
    if lines:
        lines[0] = click.style(lines[0], bold=True)
    return "".join(f"{line}\n" for line in lines)


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
    return (
        f"{service.name}: {what}",
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
    lines = [click.style(status.name, bold=True), *_lines(rows, "  ")]
    for address in status.addresses:
        lines.append(f"  {address.address} ({address.kind})")
        lines += _lines(_address(address, status), "    ")
    if not status.services:
        lines.append(f"  {status.service}: {'no instances' if status.per_connection else 'none'}")
    for service in status.services:
        lines.append(f"  {service.name}")
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
        yield "says", service.status
    yield from _traffic("IP in", "IP out", service.ip)


def _traffic(into: str, out: str, counted: Accounting) -> Iterable[tuple[str, str]]:
    """Yield what came in and went out, if that was counted."""
    if counted.bytes_in is not None:
        yield into, f"{_size(counted.bytes_in)} in {_shown(counted.packets_in)} packets"
        yield out, f"{_size(counted.bytes_out)} in {_shown(counted.packets_out)} packets"


def _lines(rows: Iterable[tuple[str, str]], indent: str) -> list[str]:
    return [f"{indent}{what + ':':<16}{value}" for what, value in rows]


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
    return {"listening": "green", "serving": "green", "stopped": ""}.get(
        state, "red" if state.startswith("failed") else "yellow"
    )
