"""Actions of `haconiwa plugins`, each a module."""
