"""Copy images from and to wherever skopeo(1) can."""

from __future__ import annotations

import subprocess

from haconiwa_rootfs.images.documents import ImageError

_LAST = 2000
"""Characters of a complaint."""


def pull(source: str, layout: str, platform: str, tls_verify: bool) -> None:
    """Copy an image into a layout of its own.

    Args:
        source: with its transport, such as "docker://registry.example/alpine:3.20".
        layout: a directory, which is made; the image is called "image" there.
        platform: "os/architecture".
        tls_verify: demand HTTPS and a valid certificate.

    Raises:
        ImageError: skopeo is not there, or cannot.
    """
    system, _, architecture = platform.partition("/")
    tls = [] if tls_verify else ["--src-tls-verify=false"]
    chosen = ["--override-os", system, "--override-arch", architecture]
    _skopeo(*chosen, "copy", "--quiet", *tls, source, f"oci:{layout}:image")


def push(layout: str, destination: str, tls_verify: bool) -> None:
    """Copy the image called "image" of a layout; arguments and errors are as for `pull`."""
    tls = [] if tls_verify else ["--dest-tls-verify=false"]
    _skopeo("copy", "--quiet", *tls, f"oci:{layout}:image", destination)


def _skopeo(*arguments: str) -> None:
    try:
        done = subprocess.run(["skopeo", *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise ImageError("skopeo is not installed, which copies images: apt-get install skopeo") from error
    if done.returncode:
        raise ImageError(f"skopeo: {done.stderr.decode(errors='replace').strip()[-_LAST:]}")
