"""Verbs for containers that run in the background: one module a verb."""
