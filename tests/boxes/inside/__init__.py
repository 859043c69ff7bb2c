"""Scripts that run inside a box, with its own Python."""
