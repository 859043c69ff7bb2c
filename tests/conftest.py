"""Fixtures for all tests, and how hypothesis tries its examples."""

import signal

from hypothesis import HealthCheck, settings

pytest_plugins = [
    "tests.boxes.fixtures",
    "tests.support.fleet_hosts",
    "tests.support.local",
    "tests.support.packages",
    "tests.support.prometheus",
]

# A shell has what it runs in the background ignore this, and so would all that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine may make any example a slow one.
settings.register_profile(
    "patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("patient")
