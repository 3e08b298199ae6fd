"""A root that is built, stored once, and shared by all who use it."""
