"""Copy files between the host and a container."""
