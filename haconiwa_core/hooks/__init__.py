"""Hooks: a definition's or a plugin's code that a container's supervisor runs in the container's life."""
