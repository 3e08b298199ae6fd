"""Run programs: the loop, and the processes that it runs in."""
