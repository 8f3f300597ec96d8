# SPDX-License-Identifier: Apache-2.0
"""Configures and builds by CMake's presets; the first use also gets the arm64 libraries and the guests."""
import os

import guests
import packages
import progress
import sysroot
from paths import BUILD, ROOT

FOLDERS = {"cross": BUILD, "host": BUILD / "host", "host-sanitize": BUILD / "host-sanitize"}


def _compile(preset, programs=()):
    folder = FOLDERS[preset]
    stamp, presets = folder / ".configured", (ROOT / "CMakePresets.json").read_text()
    if not stamp.exists() or stamp.read_text() != presets:
        progress.run(f"configuring {preset}", ["cmake", "--preset", preset], f"configure-{preset}.log")
        stamp.write_text(presets)
    words = ["cmake", "--build", folder, "-j", str(os.cpu_count())] + (["--target", *programs] if programs else [])
    progress.run(f"building {preset}", words, f"build-{preset}.log", lines=60)


def target():
    """The kernel, the services and what guests need."""
    packages.ensure("run")
    sysroot.ensure()
    guests.ensure()
    _compile("cross")


def host(preset, programs=()):
    """The libraries and unit tests as programs of this machine; or only these programs and what they need."""
    packages.ensure("test")
    _compile(preset, programs)
