"""Containers that exist: their start, their records, their end."""
