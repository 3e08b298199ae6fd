"""A state that several hosts share, in PostgreSQL."""
