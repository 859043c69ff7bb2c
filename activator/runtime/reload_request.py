"""What ``activator reload`` and a service with workers agree upon."""

# The abstract name that a service with this process id listens at.
CONTROL = "\0activator/reload/%d"
# How every request begins; the working directory and the variables follow, NUL after each.
HEADER = b"activator reload 1\0"
