"""What running containers use, live."""
