# SPDX-License-Identifier: Apache-2.0
"""What guests are made of, from Debian's arm64 packages: kernels (the packages' own bytes), the Pi's device tree, RAM disks, a root file system."""
import gzip
import hashlib
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import cpio
import progress
import rootfs
from aptarea import extract
from paths import DEVICE_TREE, GUESTS, TOOLS
from progress import Failure, items
from sysroot import arm64

KERNELS = {"vmlinuz-cloud": "linux-image-cloud-arm64", "vmlinuz-full": "linux-image-arm64"}
USERLAND = ["busybox-static", "xenstore-utils"]
FRONT_ENDS = ["xen-blkfront", "xen-netfront"]   # modules in the kernels, in the order of loading
GUEST_MODULES = ["xen-blkfront"]   # those of them that guests load
BY_NAME = ["libgcc_s.so.1"]   # what programs load without saying so: libc, when a thread is cancelled (xenstore-watch at its end)
TREE_NAME = DEVICE_TREE.name
READELF = "aarch64-linux-gnu-readelf"
ROOT_IMAGE = "debian.img"
INPUTS = [Path(__file__), TOOLS / "cpio.py", TOOLS / "rootfs.py", *sorted(path for path in (TOOLS / "guest").rglob("*") if path.is_file())]


def _newest(area, meta):
    """The kernel package that a meta package stands for."""
    shown = subprocess.run(["apt-cache", "-c", str(area.conf), "depends", meta], capture_output=True, text=True, check=False)
    names = re.findall(r"^\s*Depends: (linux-image-[0-9]\S+)$", shown.stdout, re.MULTILINE)
    if not names:
        raise Failure(f"apt names no kernel package for {meta}: {shown.stderr}")
    return names[0]


def _pick(deb, patterns):
    """{pattern: (path, bytes)} of one member of a .deb each, without unpacking the rest."""
    found = {}
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE) as child:
        with tarfile.open(fileobj=child.stdout, mode="r|") as tar:
            for member in tar:
                for pattern in patterns:
                    if member.isfile() and re.search(pattern, member.name):
                        found[pattern] = (member.name, tar.extractfile(member).read())
    for pattern in patterns:
        if pattern not in found:
            raise Failure(f"{deb.name} holds no file {pattern}")
    return found


def _needed(path):
    shown = subprocess.run([READELF, "-d", str(path)], capture_output=True, text=True, check=True).stdout
    return re.findall(r"\(NEEDED\).*\[(.*)\]", shown)


def programs(tree, paths):
    """Entries of dynamically linked programs, {name in usr/bin: path}, with the libraries of `tree` that they need and the loader."""
    entries, done = [], set()
    todo = [*BY_NAME]
    for name, path in paths.items():
        entries.append(cpio.file(f"usr/bin/{name}", path.read_bytes(), 0o755))
        todo += _needed(path)
    while todo:
        name = todo.pop()
        if name in done:
            continue
        done.add(name)
        path = next(p for p in sorted(tree.rglob(name)) if p.is_file())
        entries.append(cpio.file(f"lib/{name}", path.read_bytes(), 0o755))
        todo += _needed(path)
    return sorted(entries, key=lambda e: e.name)


def _xenstore_tools(tree):
    """{name: path}; a symbolic link leads to Dom0's tools."""
    found = [path for name in ("xenstore", "xenstore-*") for path in tree.glob(f"usr/bin/{name}")]
    return {path.name: path for path in sorted(found) if path.is_file() and not path.is_symlink()}


def _module_entries(release, modules, order):
    folder = f"modules/{release}"
    return [cpio.folder(folder), cpio.file(f"{folder}/order", "".join(f"{name}\n" for name in order).encode()),
            *(cpio.file(f"{folder}/{name}.ko", modules[name]) for name in order)]


def _default_disk(tree, modules):
    """`modules`: {release: {name: bytes}} of each kernel that may boot it."""
    folders = "bin dev etc lib modules proc root run sbin sys tmp usr usr/bin usr/sbin".split()
    return [
        *map(cpio.folder, folders),
        cpio.character_device("dev/console", 5, 1), cpio.character_device("dev/null", 1, 3),
        cpio.file("bin/busybox", (tree / "bin/busybox").read_bytes(), 0o755), cpio.link("bin/sh", "busybox"),
        cpio.file("init", (TOOLS / "guest/init").read_bytes(), 0o755),
        cpio.file("etc/inittab", (TOOLS / "guest/inittab").read_bytes()),
        cpio.file("usr/bin/progress", (TOOLS / "guest/progress").read_bytes(), 0o755),
        *programs(tree, _xenstore_tools(tree)),
        *(entry for release, found in modules.items() for entry in _module_entries(release, found, GUEST_MODULES)),
    ]


def _bench_disk(tree, modules, vt):
    """The RAM disk that the figures of other hypervisors were measured with: what it does at boot must stay as it is."""
    folders = ("dev etc lab modules proc root run sys tmp usr usr/bin usr/lib usr/sbin var var/lib var/lib/xen "
               "var/lib/xenstored var/log var/log/xen").split()
    entries = [
        *map(cpio.folder, folders),
        cpio.link("bin", "usr/bin"), cpio.link("sbin", "usr/sbin"), cpio.link("lib", "usr/lib"),
        cpio.link("var/run", "../run"), cpio.link("var/lock", "../run/lock"),
        cpio.character_device("dev/console", 5, 1), cpio.character_device("dev/null", 1, 3),
        cpio.file("usr/bin/busybox", (tree / "bin/busybox").read_bytes(), 0o755), cpio.link("usr/bin/sh", "busybox"),
        cpio.file("usr/bin/vt", vt, 0o755), cpio.file("init", (TOOLS / "guest/bench-init").read_bytes(), 0o755),
        cpio.file("modules/order", "".join(f"{name}\n" for name in modules).encode()),
        *(cpio.file(f"modules/{name}.ko", data) for name, data in modules.items()),
    ]
    return sorted(entries, key=lambda e: e.name)


def _compile_vt(folder):
    program = folder / "vt"
    progress.run("compiling vt", ["aarch64-linux-gnu-gcc", "-O2", "-static", "-s", "-o", program, TOOLS / "guest/vt.c"], "vt.log")
    return program.read_bytes()


def _make(fresh):
    area = arm64()
    area.prepare()
    packages = {file: _newest(area, meta) for file, meta in KERNELS.items()}
    kernels = area.download(list(packages.values()), "kernel-download.log")
    userland = area.download(USERLAND, "userland-download.log", dependencies=True)
    tree = fresh / "tree"
    tree.mkdir(parents=True)
    for package in items("unpacking the guests' user land", userland):
        extract(userland[package], tree)
    modules = {}   # of each kernel, by its release
    for file in items("taking kernels out of their packages", packages):
        patterns = [r"^\./boot/vmlinuz-", *(rf"/{name}\.ko$" for name in FRONT_ENDS)]
        if file == "vmlinuz-full":
            patterns.append(rf"/broadcom/{re.escape(TREE_NAME)}$")
        found = _pick(kernels[packages[file]], patterns)
        path, image = found[patterns[0]]
        (fresh / file).write_bytes(image)
        modules[file] = Path(path).name.removeprefix("vmlinuz-"), {name: found[rf"/{name}\.ko$"][1] for name in FRONT_ENDS}
        if file == "vmlinuz-full":
            (fresh / TREE_NAME).write_bytes(found[patterns[-1]][1])
    disks = {"initramfs": _default_disk(tree, dict(modules.values())),
             "bench": _bench_disk(tree, modules["vmlinuz-cloud"][1], _compile_vt(fresh))}
    for name in items("packing RAM disks", disks):
        (fresh / f"{name}.cpio.gz").write_bytes(gzip.compress(cpio.archive(disks[name]), 9, mtime=0))
    root = rootfs.make(area, fresh / ROOT_IMAGE)
    debs = {kernels[p] for p in packages.values()} | set(userland.values()) | set(root.values())
    (fresh / "packages.txt").write_text("".join(f"{deb.name}\n" for deb in sorted(debs)))
    shutil.rmtree(tree)
    (fresh / "vt").unlink()


def ensure():
    wanted = hashlib.sha256(b"".join(path.read_bytes() for path in INPUTS)).hexdigest()
    stamp = GUESTS / ".stamp"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    fresh = GUESTS.with_name("guests.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    _make(fresh)
    (fresh / ".stamp").write_text(wanted)
    shutil.rmtree(GUESTS, ignore_errors=True)
    fresh.rename(GUESTS)
