"""Tests of `activator adopt`: its oracles are systemd, inetd and xinetd."""
