"""Tests of the room ``runtime/serving``."""
