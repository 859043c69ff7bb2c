"""What runs: sockets and their services as systemd has them, and what the kernel knows of them.

How the files build on each other: kernel (what listens, from /proc), processes (who has what
open), units (sockets and services from systemd, together with both).
"""
