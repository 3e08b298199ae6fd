"""Proc tells of the container, not of the host, by lxcfs."""
