"""Archives that a stranger may send. Each is built for one directory: it knows a victim's absolute path."""

import gzip
import io
import lzma
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import zstandard

BLOCK = bytes(tarfile.BLOCKSIZE)
END = BLOCK * 2


class Member(NamedTuple):
    name: str
    type: bytes = tarfile.REGTYPE
    content: bytes = b""
    link: str = ""
    mode: int = 0o644
    device: tuple[int, int] = (0, 0)
    pax: Mapping[str, str] = MappingProxyType({})
    size: int | None = None
    owner: tuple[int, int] = (0, 0)


def archive(*members: Member, format: int = tarfile.PAX_FORMAT) -> bytes:
    return b"".join(blocks(member, format) for member in members) + END


def blocks(member: Member, format: int = tarfile.PAX_FORMAT) -> bytes:
    info = tarfile.TarInfo(member.name)
    info.type, info.mode, info.linkname = member.type, member.mode, member.link
    info.devmajor, info.devminor = member.device
    info.uid, info.gid = member.owner
    info.pax_headers = dict(member.pax)
    info.size = len(member.content) if member.size is None else member.size
    padding = bytes(-len(member.content) % tarfile.BLOCKSIZE)
    return info.tobuf(format) + member.content + padding


def raw_extended(type: bytes, data: bytes, size: int | None = None) -> bytes:
    """Return an extended header whose size may lie."""
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = type, len(data) if size is None else size
    return info.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % tarfile.BLOCKSIZE)


def link(name: str, target: str) -> Member:
    return Member(name, tarfile.SYMTYPE, link=target)


def hard(name: str, target: str) -> Member:
    return Member(name, tarfile.LNKTYPE, link=target)


def directory(name: str, mode: int = 0o755) -> Member:
    return Member(name, tarfile.DIRTYPE, mode=mode)


BAD = b"bad"

OUTSIDE: dict[str, Callable[[Path], bytes]] = {
    # The victim has the files `secret` and `list`; the target is its neighbour.
    "dot-dot": lambda victim: archive(Member(f"../{victim.name}/secret", content=BAD)),
    "dot-dot-within": lambda victim: archive(directory("a"), Member(f"a/../../{victim.name}/secret", content=BAD)),
    "absolute": lambda victim: archive(Member(str(victim / "secret"), content=BAD)),
    "absolute-by-pax": lambda victim: archive(Member("x", content=BAD, pax={"path": f"{victim}/secret"})),
    "symlink-then-write": lambda victim: archive(link("a", str(victim)), Member("a/secret", content=BAD)),
    "relative-symlink-then-write": lambda victim: archive(
        link("a", f"../{victim.name}"), Member("a/secret", content=BAD)
    ),
    "chain-of-symlinks": lambda victim: archive(
        directory("a"), link("a/up", ".."), link("b", f"a/up/../{victim.name}"), Member("b/secret", content=BAD)
    ),
    "write-over-a-symlink": lambda victim: archive(link("a", str(victim / "secret")), Member("a", content=BAD)),
    "directory-over-a-symlink": lambda victim: archive(link("a", str(victim)), directory("a", 0o777)),
    "hard-link-out": lambda victim: archive(hard("a", str(victim / "secret")), Member("a", content=BAD)),
    "hard-link-out-by-dot-dot": lambda victim: archive(hard("a", f"../{victim.name}/secret"), Member("a", content=BAD)),
    "hard-link-through-a-symlink": lambda victim: archive(link("d", str(victim)), hard("a", "d/secret")),
    "hard-link-to-a-symlink-then-write": lambda victim: archive(
        link("s", str(victim / "secret")), hard("a", "s"), Member("a", content=BAD)
    ),
    "mode-through-a-symlink": lambda victim: archive(link("a", str(victim)), Member("a/new", content=BAD)),
}


class Shape(NamedTuple):
    data: Callable[[], bytes]
    refused: str
    """What the message says."""


def _headers_without_end() -> bytes:
    return b"".join(raw_extended(tarfile.XHDTYPE, b"") for _ in range(3000)) + END


def _sparse(size: int) -> bytes:
    """Return a file that is a hole, as GNU tar writes it."""
    pax = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.name": "hole",
        "GNU.sparse.size": str(size),
        "GNU.sparse.map": f"{size},0",
    }
    return archive(Member("hole", pax=pax))


def _zeros(number: int) -> Iterator[bytes]:
    info = tarfile.TarInfo("zeros")
    info.size = number
    yield info.tobuf()
    for _ in range(number >> 20):
        yield bytes(1 << 20)
    yield END


def gzip_bomb(number: int) -> bytes:
    output = io.BytesIO()
    with gzip.GzipFile(fileobj=output, mode="wb", compresslevel=1) as packed:
        for piece in _zeros(number):
            packed.write(piece)
    return output.getvalue()


def xz_bomb(number: int) -> bytes:
    packer = lzma.LZMACompressor(preset=0)
    return b"".join([*map(packer.compress, _zeros(number)), packer.flush()])


def zstd_bomb(number: int) -> bytes:
    packer = zstandard.ZstdCompressor(level=1).compressobj()
    return b"".join([*map(packer.compress, _zeros(number)), packer.flush()])


def wide_window() -> bytes:
    """Return a frame that asks its reader for 2 GiB of memory."""
    parameters = zstandard.ZstdCompressionParameters(window_log=31, enable_ldm=False)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return packer.compress(archive(Member("a"))) + packer.flush()


_REAL = archive(Member("a", content=b"x" * 5000), Member("b", content=b"y" * 5000))

REFUSED: dict[str, Shape] = {
    "empty": Shape(lambda: b"", "empty"),
    "no-archive": Shape(lambda: b"hello" * 500, "no archive|invalid|cannot be read"),
    "cut-in-a-file": Shape(lambda: _REAL[:3000], "end"),
    "cut-in-a-header": Shape(lambda: _REAL[: 512 + 5120 + 100], "cut|end"),
    "cut-between-members": Shape(lambda: _REAL[: 512 + 5120], "cut"),
    "garbage-after-a-member": Shape(lambda: _REAL[: 512 + 5120] + b"\xff" * 1024, "cut"),
    "cut-gzip": Shape(lambda: gzip.compress(_REAL)[:-12], "end"),
    "cut-xz": Shape(lambda: lzma.compress(_REAL)[:-12], "end"),
    "cut-zstd": Shape(lambda: zstandard.compress(_REAL)[:-20], "cut|end"),
    "gzip-of-garbage": Shape(lambda: b"\x1f\x8b" + b"\xff" * 600, "cannot be read|compress|method"),
    "gzip-bad-checksum": Shape(lambda: gzip.compress(_REAL)[:-8] + bytes(8), "CRC"),
    "negative-size": Shape(lambda: archive(Member("a", pax={"size": "-1024"})), "bytes|cannot be read"),
    "size-lie": Shape(lambda: blocks(Member("a", size=1 << 40)) + END, "bytes"),
    "time-is-no-number": Shape(lambda: archive(Member("a", pax={"mtime": "nan"})), "time"),
    "time-without-end": Shape(lambda: archive(Member("a", pax={"mtime": "inf"})), "time"),
    "time-too-large": Shape(lambda: archive(Member("a", pax={"mtime": "1e300"})), "cannot be read|large"),
    "large-pax-header": Shape(lambda: raw_extended(tarfile.XHDTYPE, b"", 1 << 33) + END, "an extended header has"),
    "large-global-header": Shape(lambda: raw_extended(tarfile.XGLTYPE, b"", 1 << 33) + END, "an extended header has"),
    "large-long-name": Shape(
        lambda: raw_extended(tarfile.GNUTYPE_LONGNAME, b"", 1 << 33) + END, "an extended header has"
    ),
    "headers-of-headers": Shape(_headers_without_end, "cannot be read|headers|recursion|cut"),
    "long-name": Shape(lambda: archive(Member("n" * 256)), "longer than 255"),
    "long-path": Shape(lambda: archive(Member("/".join(["n" * 200] * 40))), "longer than|below more"),
    "nul-in-a-name": Shape(lambda: archive(Member("a", pax={"path": "a\0b"})), "null|cannot be read"),
    "deep": Shape(lambda: archive(Member("/".join(["d"] * 5000))), "below more than"),
    "sparse-bomb": Shape(lambda: _sparse(1 << 60), "more than .* bytes"),
    "unknown-kind": Shape(lambda: archive(Member("a", b"Z")), "kind|bytes|not known"),
    "device-0-0": Shape(lambda: archive(Member("a", tarfile.CHRTYPE)), "whiteout"),
    "trusted-attribute": Shape(
        lambda: archive(Member("d", tarfile.DIRTYPE, pax={"SCHILY.xattr.trusted.overlay.redirect": "/"})), "overlayfs"
    ),
    "user-overlay-attribute": Shape(
        lambda: archive(Member("d", tarfile.DIRTYPE, pax={"SCHILY.xattr.user.overlay.opaque": "y"})), "overlayfs"
    ),
    "file-then-directory": Shape(lambda: archive(Member("a"), directory("a")), "something else"),
    "directory-then-file": Shape(lambda: archive(directory("a"), Member("a")), "something else"),
    "file-as-parent": Shape(lambda: archive(Member("a"), Member("a/b")), "Not a directory"),
    "hard-link-to-nothing": Shape(lambda: archive(hard("a", "b")), "No such file"),
    "hard-link-to-itself": Shape(lambda: archive(Member("a"), hard("a", "a")), "itself"),
    "hard-link-to-a-directory": Shape(lambda: archive(directory("d"), hard("a", "d")), "neither"),
    "hard-link-to-the-root": Shape(lambda: archive(hard("a", ".")), "directory"),
    "root-is-a-file": Shape(lambda: archive(Member(".")), "root directory"),
    "root-is-a-symlink": Shape(lambda: archive(link("./", "/")), "root directory"),
}

WHITEOUTS: dict[str, Shape] = {
    "of-dot-dot": Shape(lambda: archive(Member("a/.wh...")), "nothing that can be"),
    "of-dot": Shape(lambda: archive(Member("a/.wh..")), "nothing that can be"),
    "of-nothing": Shape(lambda: archive(Member("a/.wh.")), "nothing that can be"),
    "of-a-whiteout": Shape(lambda: archive(Member("a/.wh..wh.b")), "nothing that can be"),
    "directory": Shape(lambda: archive(directory(".wh.a")), "empty file"),
    "symlink": Shape(lambda: archive(link(".wh.a", "/")), "empty file"),
    "with-content": Shape(lambda: archive(Member(".wh.a", content=b"x")), "empty file"),
    "as-parent": Shape(lambda: archive(Member(".wh.a/b")), "below a whiteout"),
    "through-a-symlink": Shape(lambda: archive(link("a", "/"), Member("a/.wh.etc")), "symbolic links|Not a directory"),
    "opaque-through-a-symlink": Shape(
        lambda: archive(link("a", "/"), Member("a/.wh..wh..opq")), "symbolic links|Not a directory"
    ),
    "below-one": Shape(lambda: archive(Member(".wh.a"), Member("a/b")), "Not a directory"),
    "opaque-root": Shape(lambda: archive(Member(".wh..wh..opq")), "layers below"),
}
