"""Run another in a systemd scope whose control groups are its own."""
