"""What the examples take from the host: its programs and libraries, and no more of /etc than they need."""

from pathlib import Path

from haconiwa_mount import Bind

_PROGRAMS = ("/usr", "/bin", "/sbin", "/lib", "/lib64")
_SETTINGS = ("/etc/group", "/etc/ld.so.cache", "/etc/localtime", "/etc/mime.types", "/etc/nsswitch.conf", "/etc/passwd")


def host_files(*more: str) -> list[Bind]:
    """Return read-only binds of those that this host has: /lib64 is not on every machine."""
    return [Bind(path, path) for path in (*_PROGRAMS, *_SETTINGS, *more) if Path(path).exists()]
