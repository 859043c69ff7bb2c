"""Answer questions for a small domain, over UDP and TCP, each with the handler of its name.

Run it with ``activator run units/dns.toml`` and ask:
``dig @127.0.0.1 -p 7753 printer.home.example``. It needs dnspython.
"""

from asyncio import IncompleteReadError, StreamReader, StreamWriter

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.zone

ORIGIN = dns.name.from_text("home.example.")
ZONE = dns.zone.from_text(
    """\
@        3600 IN SOA   ns hostmaster 1 3600 600 86400 300
@        3600 IN NS    ns
ns       3600 IN A     127.0.0.1
printer  3600 IN A     192.0.2.7
printer  3600 IN AAAA  2001:db8::7
long     3600 IN TXT   """
    + " ".join(f'"{"x" * 250}{number}"' for number in range(8)),
    origin=ORIGIN,
    relativize=False,
)
UDP_MAX = 512  # bytes, of an answer to who does not say that it takes more: RFC 1035


def reply(question: bytes, longest: int | None = None) -> bytes | None:
    """Return the answer to a message, or None to what is none.

    Args:
        question: The message.
        longest: How many bytes the answer may have; None for UDP, where the client says it.
    """
    try:
        query = dns.message.from_wire(question)
        answer = dns.message.make_response(query)
        (asked,) = query.question
    except (dns.exception.DNSException, ValueError):
        return None
    if not asked.name.is_subdomain(ORIGIN):
        answer.set_rcode(dns.rcode.REFUSED)
    else:
        answer.flags |= dns.flags.AA
        if found := ZONE.get_rrset(asked.name, asked.rdtype):
            answer.answer.append(found)
        elif not ZONE.get_node(asked.name):
            answer.set_rcode(dns.rcode.NXDOMAIN)
    limit = longest or max(query.payload, UDP_MAX)
    try:
        return answer.to_wire(max_size=limit)
    except dns.exception.TooBig:
        cut = dns.message.make_response(query)
        cut.flags |= dns.flags.TC  # the client asks again, over TCP
        return cut.to_wire(max_size=limit)


def over_udp(data: bytes, addr: object) -> bytes | None:
    """Answer a message."""
    del addr
    return reply(bytes(data))


async def over_tcp(reader: StreamReader, writer: StreamWriter) -> None:
    """Answer the messages of a connection, each led by its length: RFC 1035, 4.2.2."""
    while True:
        try:
            length = int.from_bytes(await reader.readexactly(2), "big")
            answer = reply(await reader.readexactly(length), 65535)
        except IncompleteReadError:
            return  # the client has asked all
        if answer is None:
            return
        writer.write(len(answer).to_bytes(2, "big") + answer)
        await writer.drain()
