"""The control socket of a front, which only its owner reaches: requests of clients never get there."""
