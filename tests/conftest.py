"""Fixtures for all tests."""

import signal

pytest_plugins = ["tests.boxes.fixtures", "tests.support.local", "tests.support.packages"]

# A shell has what it runs in the background ignore this, and so would all that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
