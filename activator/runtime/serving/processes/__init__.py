"""Serve each connection in a process of its own, forked or started.

May import: loop, and what stands beside this room in serving/.
"""
