# SPDX-License-Identifier: Apache-2.0
"""The arm64 libraries that services link: Debian's packages, unpacked into build/sysroot and never installed.

libc and libstdc++ are not among them: the cross compiler brings its own and finds them whatever CMAKE_SYSROOT says.
"""
import hashlib
import shutil
from pathlib import Path

from aptarea import AptArea, extract
from paths import SYSROOT
from progress import items

PACKAGES = ["comerr-dev", "libabsl-dev", "libcapnp-dev", "libext2fs-dev", "libfdt-dev", "libgmock-dev", "libgtest-dev"]


def arm64():
    """The area that arm64 packages are downloaded by."""
    return AptArea("arm64", architecture="arm64")


def _relink(folder):
    """Absolute symbolic links of the packages would lead out of the sysroot: make them relative."""
    for path in folder.rglob("*"):
        if path.is_symlink() and path.readlink().is_absolute():
            up = Path(*[".."] * (len(path.relative_to(folder).parts) - 1))
            target = up / path.readlink().relative_to("/")
            path.unlink()
            path.symlink_to(target)


def ensure():
    stamp = SYSROOT / ".stamp"
    wanted = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    area = arm64()
    area.prepare()
    debs = area.download(PACKAGES, "sysroot-download.log")
    fresh = SYSROOT.with_name("sysroot.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for package in items("unpacking the arm64 sysroot", PACKAGES):
        extract(debs[package], fresh)
    _relink(fresh)
    (fresh / ".stamp").write_text(wanted)
    shutil.rmtree(SYSROOT, ignore_errors=True)
    fresh.rename(SYSROOT)
