"""Serve with an event loop: the only files that import asyncio.

May import: threads, and what stands beside this room in serving/.
"""
