"""The sockets of a run: opened as systemd opens them, and served in either mode."""
