"""Read definitions: Python programs, TOML files, and what the command line changes in them."""
