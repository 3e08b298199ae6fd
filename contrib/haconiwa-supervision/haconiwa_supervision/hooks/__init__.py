"""How hooks are run: each call in a process of its own."""
