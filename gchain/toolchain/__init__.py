"""The programs that the kit needs and that no package of the machine brings: found, or built from pinned sources.

`install()` puts them into the cache (`gchain.workspace.cache_directory() / "bin"`) and is quick when they are there.
"""

from gchain.toolchain.install import NEXT, PROGRAMS, Program, install, missing, program_path

__all__ = ["NEXT", "PROGRAMS", "Program", "install", "missing", "program_path"]
