"""Ways to build a root, each an entry point of the group `haconiwa.v1.strategies`."""
