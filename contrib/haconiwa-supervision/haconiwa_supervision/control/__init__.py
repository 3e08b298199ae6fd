"""The resident supervisor's process, its control socket, and what is asked through it."""
