"""Huge pages (hugetlb)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from haconiwa_cgroup.controller import Setting
from haconiwa_cgroup.files import number, write_limit
from haconiwa_cgroup.sizes import UNLIMITED, parsed, written
from haconiwa_core.errors import DefinitionError, Problem


class Hugetlb:
    """Each size of pages has files of its own."""

    names: Mapping[int, str] = {2: "hugetlb", 1: "hugetlb"}
    options: Mapping[str, Any] = {"hugetlb": UNLIMITED}

    def settings(self, options: Mapping[str, Any], version: int) -> Iterator[Setting]:
        """Limit the bytes in pages of each size that is named."""
        end = "max" if version == 2 else "limit_in_bytes"
        for page, size in sorted(options["hugetlb"].items()):
            if (parsed(size) or 0) % (parsed(page.removesuffix("B")) or 1):
                raise DefinitionError([Problem(f"must be a multiple of {page}, not {size}", key=f"hugetlb.{page}")])
            yield Setting(f"hugetlb.{page}.{end}", written(size), write_limit)

    def usage(self, group: Path, version: int) -> dict[str, object]:
        """Return what is used and may be of each size."""
        used, limit = (".current", ".max") if version == 2 else (".usage_in_bytes", ".limit_in_bytes")
        sizes = sorted(path.name.removesuffix(used) for path in group.glob(f"hugetlb.*B{used}"))
        return {
            size.removeprefix("hugetlb."): {"current": number(group, size + used), "max": number(group, size + limit)}
            for size in sizes
        }


CONTROLLER = Hugetlb()
