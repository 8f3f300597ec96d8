# SPDX-License-Identifier: Apache-2.0
"""The Debian packages of the machine that Pyrene is built, run and tested with."""
import os
import re
import shlex
import shutil
import subprocess

import progress
from aptarea import BACKPORTS, AptArea
from paths import APT
from progress import Failure, say

# package -> least version that will do ("" : any), per purpose; a purpose includes those before it in INCLUDES.
RUN = {
    "capnproto": "", "cmake": "", "e2fsprogs": "", "fakeroot": "", "fdisk": "", "g++-aarch64-linux-gnu": "", "mtools": "", "ninja-build": "",
    "qemu-system-arm": "1:9.0",   # the first with the raspi4b machine
}
TEST = {
    "clang": "", "comerr-dev": "", "gcc": "", "libabsl-dev": "", "libc6-dev": "", "libcapnp-dev": "", "libclang-rt-14-dev": "",
    "libext2fs-dev": "", "libfdt-dev": "", "libgmock-dev": "", "libgtest-dev": "",
    "llvm-14": "", "spin": "",
}
LINT = {"clang-format": "", "clang-tidy": "", "cloc": "", "git": "", "shellcheck": ""}
PURPOSES = {"run": RUN, "test": {**RUN, **TEST}, "lint": {**RUN, **TEST, **LINT}}
FROM_BACKPORTS = {"qemu-system-arm"}


def _installed():
    """{package: version} of what is fully installed."""
    shown = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Abbrev}\n"],
                           capture_output=True, text=True, check=True)
    rows = (line.split() for line in shown.stdout.splitlines())
    return {row[0]: row[1] for row in rows if len(row) == 3 and row[2] == "ii"}


def missing(purpose):
    have = _installed()

    def lacks(package, least):
        if package not in have:
            return True
        compare = ["dpkg", "--compare-versions", have[package], "ge", least]
        return bool(least) and subprocess.run(compare, check=False).returncode != 0

    return sorted(p for p, least in PURPOSES[purpose].items() if lacks(p, least))


def _become_root():
    """The words before a command that needs root, or None when this user has no way."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and subprocess.run(["sudo", "-v"], check=False).returncode == 0:
        return ["sudo"]
    return None


def _check_system():
    try:
        with open("/etc/os-release") as f:
            release = f.read()
    except FileNotFoundError:
        release = ""
    if not shutil.which("apt-get") or not re.search(r"^VERSION_CODENAME=bookworm$", release, re.MULTILINE):
        raise Failure("packages are missing, and this is not Debian 12 (bookworm), where pyrene can install them")


def ensure(purpose):
    """Installs what is missing for "run", "test" or "lint"."""
    if not shutil.which("dpkg-query"):
        _check_system()
    wanted = missing(purpose)
    if not wanted:
        return
    _check_system()
    area = AptArea("host", backports=True)
    installs = []
    if stable := [p for p in wanted if p not in FROM_BACKPORTS]:
        installs.append(area.command("-y", "install", *stable))
    if newer := [p for p in wanted if p in FROM_BACKPORTS]:
        installs.append(area.command("-y", "-t", BACKPORTS, "install", *newer))
    as_root = _become_root()
    if as_root is None:
        area.prepare()
        lines = "\n".join("  " + shlex.join(install) for install in installs)
        raise Failure(f"packages are missing, and this user can not install them; as root, run:\n{lines}")
    say(f"installing {' '.join(wanted)}")
    try:
        area.prepare(as_root)
        if subprocess.run(["dpkg", "--audit"], capture_output=True, check=False).stdout:
            progress.run("finishing an interrupted installation", [*as_root, "dpkg", "--configure", "-a"], "dpkg-configure.log")
        for install in installs:
            progress.run("installing packages", [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", *install], "apt-install.log")
    finally:
        if as_root:
            subprocess.run(["sudo", "chown", "-R", f"{os.getuid()}:{os.getgid()}", str(APT)], check=False)
    shutil.rmtree(area.path / "cache", ignore_errors=True)
    left = missing(purpose)
    if left:
        raise Failure(f"apt-get installed without complaint, but these are still missing: {' '.join(left)}")
