"""The local activator: run unit files without systemd, the way systemd would.

One step a file: unit text → models (load), address → open socket (listener), models →
process (command, environment, process), and the state machine that joins them (supervisor).
It reads the same files that systemd reads and never imports the runtime.
"""
