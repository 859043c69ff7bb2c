"""Leaves: each a rule that the runtime and the tools both need.

May import: errors.
"""
