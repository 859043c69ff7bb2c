"""Serve ASGI and WSGI applications on the connections that the engine accepts.

May import: loop, threads, and what stands beside this room in serving/.
"""
