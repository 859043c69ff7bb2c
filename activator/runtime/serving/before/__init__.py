"""What comes before a handler: its client's address from a proxy, and TLS; loaded if asked for.

May import: what stands beside this room in serving/, but those that serve.

The files, each using only those before it::

    header      the PROXY protocol's header, read from the bytes that have come
    proxied     connections that know their client by such a header, and the wait for it
    tls         certificates, and the handshakes of blocking sockets
    prepare     what a service needs of these, by its settings
"""
