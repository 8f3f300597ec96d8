# SPDX-License-Identifier: Apache-2.0
"""The boot bundle: a cpio archive whose first file is init, with every file's data on a page of its own (mapped in place)."""
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

import cpio
from paths import BUILD, ROOT, TOOLS
from progress import Failure

DEFAULT_LIST = TOOLS / "bundle.list"
FILE_KINDS = ("program", "symbols", "file")
TOOL_PREFIX = "aarch64-linux-gnu-"
# Where guests' files lie in the bundle, and the keys of a cfg that name such files.
GUEST_FOLDER = "guests"
FILE_KEYS = re.compile(r"""^(\s*(?:kernel|ramdisk)\s*=\s*)(["'])(.*?)\2""", re.MULTILINE)


def _stripped(path):
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run([TOOL_PREFIX + "objcopy", "--strip-all", str(path), out.name], check=True)
        return out.read()


def symbols(path):
    """Lines "ADDRESS NAME" of an ELF file's functions by ascending address, without parameter lists."""
    shown = subprocess.run([TOOL_PREFIX + "nm", "-C", "-n", "--defined-only", str(path)],
                           capture_output=True, text=True, check=True)
    lines = []
    for line in shown.stdout.splitlines():
        address, kind, name = line.split(" ", 2)
        if kind in "tTwW" and not name.startswith("$"):
            lines.append(f"{address} {_without_parameters(name)}\n")
    return "".join(lines).encode()


def _without_parameters(name):
    """a::B::c(int, d(*)()) const [clone x] -> a::B::c; names like operator() and (anonymous namespace)::f stay."""
    name = re.sub(r" \[clone [^]]*\]$", "", name)
    name = re.sub(r"\)( const| volatile| &| &&)+$", ")", name)
    if not name.endswith(")") or name.endswith("operator()"):
        return name
    depth = 0
    for at in range(len(name) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(name[at], 0)
        if depth == 0:
            return name[:at] or name
    return name


def _lines(path):
    """{name: (place, kind, source)} of a list and those that it includes; what comes later replaces, in the place of the former."""
    found = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        place = f"{path.relative_to(ROOT)}:{number}"
        name, kind, source = (line.split(maxsplit=2) + [""] * 2)[:3]
        if name == "include":
            found |= _lines(ROOT / kind)
        elif kind == "without":
            if found.pop(name, None) is None:
                raise Failure(f"{place}: there is no {name} to leave out")
        else:
            found[name] = place, kind, source
    return found


def sources(path):
    """What a bundle is made of: its list, and the files that are in it."""
    files = [ROOT / source for _, kind, source in _lines(path).values() if kind.partition(":")[0] in FILE_KINDS]
    return [path, *dict.fromkeys(files)]


def _listed(path, append):
    for name, (place, kind, source) in _lines(path).items():
        kind, _, most = kind.partition(":")
        where = ROOT / source
        if kind in FILE_KINDS and not where.is_file():
            raise Failure(f"{place}: there is no {source}")
        permissions = 0o644
        if kind == "program":
            data, permissions = _stripped(where), 0o755
        elif kind == "symbols":
            data = symbols(where)
        elif kind == "file":
            data = where.read_bytes()
        elif kind == "text":
            words = [source, *append] if name == "cmdline" else [source]
            data = " ".join(filter(None, words)).encode() + b"\n"
        elif kind == "clock":
            data = f"{int(time.time())}\n".encode()
        elif kind == "random":
            data = os.urandom(int(source))
        else:
            raise Failure(f"{place}: unknown kind {kind!r}")
        yield cpio.file(name, data[:int(most)] if most else data, permissions)


class _GuestFiles:
    """The files that guests' cfgs name, as entries of the bundle: by base name, made unique when different files share it."""

    def __init__(self, entries):
        self.entries = entries   # {name: entry} of the bundle, added to

    def add(self, path):
        """The name in the bundle of a file of the host; a file with the same bytes that is there already serves."""
        data = path.read_bytes()
        for entry in self.entries.values():
            if entry.data == data:
                return entry.name
        name, number = f"{GUEST_FOLDER}/{path.name}", 1
        while name in self.entries:
            number += 1
            name = f"{GUEST_FOLDER}/{number}-{path.name}"
        self.entries[name] = cpio.file(name, data)
        return name


def _guest(cfg, files):
    """The cfg's entry, its files' names rewritten to those in the bundle."""
    try:
        text = cfg.read_text()
    except OSError as error:
        raise Failure(f"--guest: {error}") from error

    def rewrite(match):
        path = (cfg.parent / match[3]).resolve()
        if not path.is_file():
            raise Failure(f"{cfg}: {match[1].split('=')[0].strip()}: there is no file {match[3]} (relative to the cfg)")
        return f"{match[1]}{match[2]}{files.add(path)}{match[2]}"

    return cpio.file(cfg.name, FILE_KEYS.sub(rewrite, text).encode())


def _own_path():
    """build/bundles/PID.cpio; those of processes that are gone are removed."""
    folder = BUILD / "bundles"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        if not Path("/proc", old.stem).exists():
            old.unlink()
    return folder / f"{os.getpid()}.cpio"


def make(listing=DEFAULT_LIST, cfgs=(), append=()):
    """Writes the bundle and returns its path: build/bundle.cpio by default, one of this process otherwise."""
    entries = {entry.name: entry for entry in _listed(listing, append)}
    files = _GuestFiles(entries)
    for cfg in cfgs:
        entry = _guest(Path(cfg).resolve(), files)
        entries[entry.name] = entry
    data = cpio.archive(entries.values(), align=cpio.PAGE)
    path = BUILD / "bundle.cpio"
    if listing != DEFAULT_LIST or cfgs or append:
        path = _own_path()
    fresh = path.with_suffix(".new")
    fresh.write_bytes(data)
    fresh.rename(path)
    return path
