"""What this host allows, tried, with the remedy beside it; what this installation knows."""

API_VERSION = "haconiwa/v1"
"""Of the form of what both commands print as JSON: keys stay, others may come."""
