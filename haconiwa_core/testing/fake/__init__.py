"""The fake kernel: programs run in milliseconds, without root."""
