# SPDX-License-Identifier: Apache-2.0
"""The plugins of QEMU's that count instructions (tests/bench/*.c)."""
import progress
from paths import BUILD, ROOT

SOURCES = ROOT / "tests/bench"
FOLDER = BUILD / "bench"


def compiled(name):
    """The plugin of tests/bench/NAME.c, as QEMU loads it."""
    FOLDER.mkdir(exist_ok=True)
    program = FOLDER / f"{name}.so"
    progress.run(f"compiling the plugin {name}", ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fvisibility=hidden",
                                                  "-o", program, SOURCES / f"{name}.c"], f"bench-{name}.log")
    return program
