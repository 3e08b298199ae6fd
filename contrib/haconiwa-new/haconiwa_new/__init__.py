"""The distribution of a new plugin, made from a template."""
