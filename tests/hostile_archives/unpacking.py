"""Strategies for archives and images, as they fill plain directories."""

import subprocess
from pathlib import Path
from typing import Any

from haconiwa_rootfs.images.reading import packed
from haconiwa_rootfs.strategies import oci
from haconiwa_rootfs.strategy import Target


def target_in(folder: Path) -> Target:
    """Return what a strategy fills, in a new directory; relative paths start beside that."""
    folder.mkdir()
    return Target(str(folder.parent), folder, print)


def build(image: str, target: Target, **options: Any) -> list[str]:
    """Return what the image's layers show together."""
    oci.build(oci.Options(image=image, **options), target)
    return shown(target.layers)


def shown(layers: list[Path]) -> list[str]:
    with packed([str(layer) for layer in layers]) as stream:
        listed = subprocess.run(["tar", "-t"], input=stream.read(), capture_output=True, check=True)
        return listed.stdout.decode().split()


def copied(source: str, destination: str, *options: str) -> None:
    subprocess.run(["skopeo", "copy", "--quiet", *options, source, destination], check=True, timeout=60)
