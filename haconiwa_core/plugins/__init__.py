"""Plugins: what is installed, and the hooks that they implement."""
