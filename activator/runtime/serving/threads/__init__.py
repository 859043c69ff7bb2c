"""Serve plain handlers in threads: one polls and accepts, others handle.

May import: what stands beside this room in serving/.
"""
