"""Build the probe with gcc, as a program without a C library, into the package."""

import os
import subprocess
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

FLAGS = Path("src/compile_flags.txt").read_text().split()


class BuildProgram(build_ext):
    """Compiles an executable where setuptools expects a module."""

    def build_extension(self, ext: Extension) -> None:
        """Compile and link the sources of one program."""
        target = self.get_ext_fullpath(ext.name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        subprocess.run([os.environ.get("CC", "gcc"), *FLAGS, "-o", target, *ext.sources], check=True)

    def get_ext_filename(self, fullname: str) -> str:
        """Return its path without the ending of a module."""
        return os.path.join(*fullname.split("."))


class Wheel(bdist_wheel):
    """Fits every Python 3 on this kind of machine, whichever C library it has."""

    def get_tag(self) -> tuple[str, str, str]:
        """Return the tags of the wheel's name."""
        machine = super().get_tag()[2].removeprefix("linux_")
        return "py3", "none", f"manylinux_2_17_{machine}.musllinux_1_1_{machine}"


setup(
    ext_modules=[Extension("haconiwa_verify.probe", sorted(map(str, Path("src").glob("*.c"))))],
    cmdclass={"build_ext": BuildProgram, "bdist_wheel": Wheel},
)
