"""Containers from a Python program, in the manner of the module subprocess."""

from haconiwa_runtime.library import PayloadError, Result, RunningContainer, Runtime

__all__ = ["PayloadError", "Result", "RunningContainer", "Runtime"]
