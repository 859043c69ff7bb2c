"""Tests of the room ``generate``."""
