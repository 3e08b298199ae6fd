"""A network with addresses, ports and rules, by netlink."""
