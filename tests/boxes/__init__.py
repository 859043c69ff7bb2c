"""Boxes: a real systemd as process 1, booted for tests from cached root file systems."""
