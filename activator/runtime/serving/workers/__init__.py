"""Serve with several processes on the same listeners, and hand over to new ones.

May import: what stands beside this room in serving/.
"""
