"""The eight Listen*= directives of systemd.socket(5), and the kinds of what they open."""

# Directive → kind.
KINDS = {
    "ListenStream": "stream",
    "ListenDatagram": "datagram",
    "ListenSequentialPacket": "seqpacket",
    "ListenFIFO": "fifo",
    "ListenSpecial": "special",
    "ListenNetlink": "netlink",
    "ListenMessageQueue": "mqueue",
    "ListenUSBFunction": "usb",
}
DIRECTIVES = {kind: directive for directive, kind in KINDS.items()}
