"""What the kernel tells of sockets beyond /proc: limits, buffers, drops and bytes.

Through sock_diag(7), which pyroute2 speaks; without it nothing is known.

Source: linux/sock_diag.h (SK_MEMINFO_*), linux/inet_diag.h and linux/unix_diag.h; for a
listener, rqueue is what waits and wqueue how much may.
"""

import struct
from collections.abc import Callable, Iterable, Iterator
from socket import AF_INET, AF_INET6, AF_UNIX, IPPROTO_TCP, IPPROTO_UDP
from typing import Any, NamedTuple

# Bits of states.
_ESTABLISHED, _CLOSED, _CLOSE_WAIT, _LISTEN = 1 << 1, 1 << 7, 1 << 8, 1 << 10
# Bits of extensions: INET_DIAG_INFO and INET_DIAG_SKMEMINFO, counted from 1.
_INFO, _MEMORY = 1 << 1, 1 << 6
_UNIX_SHOW = 0x10 | 0x20  # UDIAG_SHOW_RQLEN, UDIAG_SHOW_MEMINFO
_DATAGRAM = 2  # SOCK_DGRAM
# rmem_alloc, rcvbuf, wmem_alloc, sndbuf, fwd_alloc, wmem_queued, optmem, backlog, drops
_MEMINFO = struct.Struct("=9I")

_COUNTS = ("bytes_received", "bytes_acked", "segs_in", "segs_out")

Ask = Callable[..., Iterable[Any]]


class Detail(NamedTuple):
    """What the kernel has for a socket.

    Attributes:
        queue: Connections that wait, or bytes of datagrams.
        limit: How many connections may wait; for datagrams, the size of the receive buffer.
            -1 if that is not known.
        receive_buffer: Bytes, with what the kernel adds for itself: twice what was asked for.
        send_buffer: The same, for what is sent.
        drops: Connections or datagrams that were dropped; -1 if the kernel does not count.
    """

    queue: int
    limit: int
    receive_buffer: int
    send_buffer: int
    drops: int


class Traffic(NamedTuple):
    """What open connections of a listener took and sent so far.

    Attributes:
        bytes_in: Bytes received.
        bytes_out: Bytes that the peers have acknowledged.
        packets_in: Segments received.
        packets_out: Segments sent.
    """

    bytes_in: int
    bytes_out: int
    packets_in: int
    packets_out: int


def total(parts: Iterable[Traffic]) -> Traffic:
    """Return the sum of traffic; of nothing it is 0."""
    return Traffic(*map(sum, zip(Traffic(0, 0, 0, 0), *parts, strict=True)))


class Answers(NamedTuple):
    """What the kernel tells.

    Attributes:
        details: Inode → what listens or takes datagrams there.
        traffic: Local address of TCP connections, such as ``127.0.0.1:80`` → their sum.
    """

    details: dict[int, Detail]
    traffic: dict[str, Traffic]


def ask(ports: Iterable[int]) -> Answers | None:
    """Ask the kernel of all sockets of this network namespace.

    Args:
        ports: The TCP ports whose connections are counted.

    Returns:
        The answers; None without pyroute2, or where the kernel refuses.
    """
    try:
        from pyroute2.netlink.diag import DiagSocket  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    try:
        with DiagSocket() as netlink:
            netlink.bind()
            return Answers(
                dict(_details(netlink.get_sock_stats)), _traffic(netlink, frozenset(ports))
            )
    except OSError:
        return None


def _details(stats: Ask) -> Iterator[tuple[int, Detail]]:
    for family in (AF_INET, AF_INET6):
        for protocol, states in ((IPPROTO_TCP, _LISTEN), (IPPROTO_UDP, _CLOSED | _ESTABLISHED)):
            for row in stats(
                family=family, states=states, protocol=protocol, extensions=_INFO | _MEMORY
            ):
                memory = _memory(row.get_attr("INET_DIAG_SKMEMINFO"))
                if memory is not None:
                    stream = protocol == IPPROTO_TCP
                    limit = row["idiag_wqueue"] if stream else memory[1]
                    yield row["idiag_inode"], _detail(row["idiag_rqueue"], limit, memory)
    for row in stats(family=AF_UNIX, states=_LISTEN | _CLOSED, show=_UNIX_SHOW):
        memory = _memory(row.get_attr("UNIX_DIAG_MEMINFO"))
        length = row.get_attr("UNIX_DIAG_RQLEN")
        if memory is not None and length is not None:
            datagram = row["udiag_type"] == _DATAGRAM
            # A sender of datagrams waits: nothing is dropped. Neither is a connection counted.
            limit = -1 if datagram else length["udiag_wqueue"]
            found = _detail(length["udiag_rqueue"], limit, memory)
            yield row["udiag_ino"], found._replace(drops=-1)


def _detail(queue: int, limit: int, memory: tuple[int, ...]) -> Detail:
    return Detail(queue, limit, memory[1], memory[3], memory[8])


def _memory(text: str | None) -> tuple[int, ...] | None:
    """Return the numbers of SK_MEMINFO, which pyroute2 gives as hexadecimal bytes."""
    data = bytes.fromhex(text.replace(":", "")) if text else b""
    return _MEMINFO.unpack_from(data) if len(data) >= _MEMINFO.size else None


def _traffic(netlink: Any, ports: frozenset[int]) -> dict[str, Traffic]:
    """Return the sums of connections; one question a port, as there may be very many others."""
    sums: dict[str, Traffic] = {}
    for family in (AF_INET, AF_INET6):
        for port in sorted(ports):
            for row in _connections(netlink, family, port):
                info = row.get_attr("INET_DIAG_INFO")
                if not row["idiag_inode"] or info is None:
                    continue
                host = row["idiag_src"] if family == AF_INET else f"[{row['idiag_src']}]"
                address = f"{host}:{row['idiag_sport']}"
                here = Traffic(*(info[f"tcpi_{name}"] for name in _COUNTS))
                sums[address] = total([sums[address], here]) if address in sums else here
    return sums


def _connections(netlink: Any, family: int, port: int) -> Iterable[Any]:
    """Return the open connections at a local port."""
    from pyroute2.netlink import NLM_F_MATCH, NLM_F_REQUEST, NLM_F_ROOT  # noqa: PLC0415 - an extra
    from pyroute2.netlink.diag import SOCK_DIAG_BY_FAMILY, inet_diag_req  # noqa: PLC0415 - an extra

    request = inet_diag_req()
    request["sdiag_family"] = family
    request["sdiag_protocol"] = IPPROTO_TCP
    request["idiag_states"] = _ESTABLISHED | _CLOSE_WAIT
    request["idiag_ext"] = _INFO
    request["idiag_sport"] = port
    flags = NLM_F_REQUEST | NLM_F_ROOT | NLM_F_MATCH
    found: Iterable[Any] = netlink.nlm_request(request, SOCK_DIAG_BY_FAMILY, flags)
    return found
