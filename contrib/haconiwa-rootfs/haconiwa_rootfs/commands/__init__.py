"""What this distribution adds to the command line."""
