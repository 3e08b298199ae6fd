"""What clients connect to: it gives them instances, and knows nothing of how these are started."""
