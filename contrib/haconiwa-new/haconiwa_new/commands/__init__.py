"""Verbs of the command line, each a module."""
