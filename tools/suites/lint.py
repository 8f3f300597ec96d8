# SPDX-License-Identifier: Apache-2.0
"""lint/*: what can be said of the source without running it."""
import json
import re
import subprocess
from pathlib import Path

from build import FOLDERS
from paths import KERNEL_ELF, ROOT
from suites import tidy
from suites.base import Test, TestFailure, execute, repository_files

KERNEL_LINES_MOST = 6000            # code lines of kernel/, as cloc counts
KERNEL_TEXT_MOST = 64 * 1024        # bytes of text and read-only data, as size counts
FILE_LINES_MOST = 600
CXX = {".cc", ".h"}
SOURCE = CXX | {".c", ".py", ".sh", ".S", ".cmake", ".pml", ".capnp", ".ld", ".test"}


class Lint(Test):
    """A check made by a function that takes the log and raises TestFailure."""

    def __init__(self, name, about, check, needs=("lint",)):
        super().__init__(f"lint/{name}", about)
        self.check, self.needs = check, needs

    def run(self, log, rounds, first, on_round):
        self.check(log)


def _report(log, complaints):
    if complaints:
        log.write("\n".join(complaints) + "\n")
        raise TestFailure("\n".join(complaints[:20]))


def _format(log):
    files = [str(path) for path in repository_files() if path.suffix in CXX]
    if not files:
        return
    done = subprocess.run(["clang-format", "--dry-run", *files], stderr=subprocess.PIPE, text=True, check=True)
    log.write(done.stderr)
    wrong = sorted({Path(name).relative_to(ROOT) for name in re.findall(r"^(/.*?):\d+:\d+: ", done.stderr, re.MULTILINE)})
    if wrong:
        raise TestFailure("not laid out by .clang-format; mend by:\nclang-format -i " + " ".join(map(str, wrong)))


def _shell(log):
    bash = [path for path in repository_files() if path.read_bytes().startswith(b"#!/usr/bin/env bash")]
    guest = [path for path in repository_files() if path.read_bytes().startswith(b"#!/bin/busybox sh")]
    execute(["shellcheck", *bash], log)
    if guest:
        execute(["shellcheck", "--shell=busybox" if _knows_busybox() else "--shell=dash", *guest], log)


def _knows_busybox():
    help_text = subprocess.run(["shellcheck", "--help"], capture_output=True, text=True, check=False).stdout
    return "busybox" in help_text


def _kernel_lines(log):
    execute(["cloc", "--version"], log)
    files = [path for path in repository_files() if path.is_relative_to(ROOT / "kernel") and path.suffix in SOURCE]
    shown = subprocess.run(["cloc", "--json", "--quiet", *map(str, files)], capture_output=True, text=True, check=True).stdout
    lines = json.loads(shown)["SUM"]["code"] if files else 0
    log.write(f"{shown}\n{lines} lines of at most {KERNEL_LINES_MOST}\n")
    if lines > KERNEL_LINES_MOST:
        raise TestFailure(f"kernel/ has {lines} code lines, more than {KERNEL_LINES_MOST}")


def _kernel_text(log):
    if not KERNEL_ELF.exists():
        raise TestFailure(f"there is no {KERNEL_ELF.relative_to(ROOT)}")
    shown = subprocess.run(["aarch64-linux-gnu-size", str(KERNEL_ELF)], capture_output=True, text=True, check=True).stdout
    text = int(shown.splitlines()[1].split()[0])
    log.write(f"{shown}\n{text} bytes of at most {KERNEL_TEXT_MOST}\n")
    if text > KERNEL_TEXT_MOST:
        raise TestFailure(f"the kernel's text is {text} bytes, more than {KERNEL_TEXT_MOST}")


def _texts(log):
    """First lines, lengths, no notes of unfinished work, and that nothing names the folder in which this clone happens to lie."""
    here = {f"{ROOT}"}
    if len(ROOT.parts) > 2 and ROOT.parent.name not in ("tmp", "home", "root", "src"):
        here.add(f"{ROOT.parent}/")
    complaints = []
    for path in repository_files():
        name = path.relative_to(ROOT)
        text = path.read_bytes().decode("utf-8", errors="replace")
        lines = text.splitlines()
        for folder in here:
            if folder in text:
                complaints.append(f"{name}: names {folder}")
        if path.suffix not in SOURCE:
            continue
        if len(lines) > FILE_LINES_MOST:
            complaints.append(f"{name}: {len(lines)} lines, more than {FILE_LINES_MOST}")
        if not re.search(r"SPDX-License-Identifier: Apache-2\.0", "\n".join(lines[:2])):
            complaints.append(f"{name}: no SPDX-License-Identifier in its first lines")
        if marks := re.findall(r"\bTO[D]O\b|\bFIX[M]E\b", text):
            complaints.append(f"{name}: says {marks[0]}")
    _report(log, complaints)


def _tidy(log):
    complaints = tidy.check(FOLDERS["host-sanitize"], log)
    _report(log, complaints)


def discover():
    return [
        Lint("format", "C++ files are laid out by .clang-format", _format),
        Lint("tidy", "clang-tidy finds nothing in what is built for the host", _tidy, ("lint", "host-sanitize")),
        Lint("shell", "shellcheck finds nothing in shell scripts", _shell),
        Lint("texts", "licence lines, file lengths, no paths of this machine", _texts),
        Lint("kernel-lines", f"at most {KERNEL_LINES_MOST} code lines of kernel", _kernel_lines),
        Lint("kernel-text", f"at most {KERNEL_TEXT_MOST} bytes of kernel text", _kernel_text, ("lint", "target")),
    ]
