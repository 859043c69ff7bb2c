"""A shop that lets its clients look around."""

import socket

listener = socket.socket(fileno=3)
inside = []
while True:
    inside.append(listener.accept()[0])
