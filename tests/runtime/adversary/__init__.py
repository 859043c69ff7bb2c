"""What one client, or one bad moment, does to everybody: for each way to serve."""
