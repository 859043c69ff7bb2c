"""Fixtures for all tests."""

pytest_plugins = ["tests.boxes.fixtures", "tests.support.local", "tests.support.packages"]
