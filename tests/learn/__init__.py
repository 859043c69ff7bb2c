"""What a service needs, by running it once."""
