"""A systemd scope of the caller's own, whose control groups are its to divide (systemd.scope(5))."""

from haconiwa_scope.scope import ScopeError, enter

__all__ = ["ScopeError", "enter"]
