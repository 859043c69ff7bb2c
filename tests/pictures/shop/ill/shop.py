"""A shop that keeps a book of its clients, where its unit does not let it."""

import socket
from pathlib import Path

book = Path("/var/log/shop.log").open("a")
listener = socket.socket(fileno=3)
while True:
    connection, client = listener.accept()
    book.write(f"{client}\n")
    connection.close()
