"""Verbs of `haconiwa`, each a module."""
