"""Say which code confines the containers of a host, and whether it is still the same."""
