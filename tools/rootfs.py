# SPDX-License-Identifier: Apache-2.0
"""A Debian root file system for guests, as an ext4 image: Debian's arm64 packages unpacked, with a database of dpkg's that says so.

None of Debian's own programs runs here, so the packages are not configured: a guest can do that with `dpkg --configure -a`.  What a boot needs
of configuration is in tools/guest/rootfs.  Files belong to root without root's rights, by fakeroot.
"""
import os
import re
import shutil
import subprocess

import progress
from paths import TOOLS
from progress import items

PACKAGES = """
    base-files base-passwd bash bsdutils coreutils dash debianutils diffutils dpkg e2fsprogs findutils grep gzip hostname iproute2 kmod less
    libc-bin mawk mount ncurses-base ncurses-bin procps sed sysvinit-core tar util-linux vim-tiny xenstore-utils
    """.split()
CONFIGURATION = TOOLS / "guest/rootfs"
IMAGE_MIB = 512
LABEL = "debian"
LEFT_OUT = ["./usr/share/doc/*", "./usr/share/man/*", "./usr/share/info/*", "./usr/share/locale/*", "./usr/share/lintian/*"]
MERGED = ["bin", "lib", "sbin"]   # links into /usr, which are there before the packages are

# Arguments: the tree, the image, its MiB, its label, then the packages.
SCRIPT = r"""
set -eu
tree=$1 image=$2 mib=$3 label=$4
shift 4
for deb; do
  echo "${deb##*/}"
  dpkg-deb --fsys-tarfile "$deb" | tar -x -p --keep-directory-symlink -C "$tree" "--exclude=$LEFT_OUT_1" "--exclude=$LEFT_OUT_2" \
    "--exclude=$LEFT_OUT_3" "--exclude=$LEFT_OUT_4" "--exclude=$LEFT_OUT_5"
done
cp -a "$CONFIGURATION/." "$tree/"
chown -R 0:0 "$tree/etc" "$tree/usr/local/sbin"
cp "$tree/usr/share/base-passwd/passwd.master" "$tree/etc/passwd"
cp "$tree/usr/share/base-passwd/group.master" "$tree/etc/group"
cp "$tree/usr/share/base-files/profile" "$tree/usr/share/libc-bin/nsswitch.conf" "$tree/etc/"
for name in bashrc profile; do cp "$tree/usr/share/base-files/dot.$name" "$tree/root/.$name"; done
sed -i -e 's,^root:[^:]*,root:x,' -e 's,^root:x:0:0:root:/root:.*,root:x:0:0:root:/root:/bin/bash,' "$tree/etc/passwd"
echo "making the image"
mke2fs -q -F -t ext4 -b 4096 -m 0 -L "$label" -d "$tree" -E lazy_itable_init=1,lazy_journal_init=1 "$image" "${mib}M"
"""


def _database(tree, debs):
    """What dpkg knows: all packages are unpacked."""
    info = tree / "var/lib/dpkg/info"
    info.mkdir(parents=True)
    status = []
    for package, deb in sorted(debs.items()):
        control = tree.parent / "control"
        shutil.rmtree(control, ignore_errors=True)
        subprocess.run(["dpkg-deb", "-e", str(deb), str(control)], check=True)
        fields = (control / "control").read_text().rstrip("\n")
        same = re.search(r"^Multi-Arch: same$", fields, re.MULTILINE)
        name = f"{package}:arm64" if same else package
        for file in control.iterdir():
            if file.name != "control":
                shutil.copy(file, info / f"{name}.{file.name}")
        files = subprocess.run(["bash", "-c", 'set -o pipefail; dpkg-deb --fsys-tarfile "$1" | tar -t', "tar", str(deb)],
                               capture_output=True, text=True, check=True).stdout.split("\n")
        (info / f"{name}.list").write_text("".join(f"/{path.removeprefix('./').rstrip('/')}\n".replace("//", "/.") for path in files if path))
        lines = fields.split("\n", 1)
        status.append(f"{lines[0]}\nStatus: install ok unpacked\n{lines[1]}\n")
    (tree / "var/lib/dpkg/status").write_text("\n".join(status))
    (tree / "var/lib/dpkg/available").touch()
    (tree / "var/lib/dpkg/arch").write_text("arm64\n")


def make(area, image):
    """Writes the image; returns the packages in it."""
    debs = area.download(PACKAGES, "rootfs-download.log", dependencies=True)
    tree = image.parent / "rootfs"
    tree.mkdir()
    for name in MERGED:
        (tree / "usr" / name).mkdir(parents=True)
        (tree / name).symlink_to(f"usr/{name}")
    for name in ("run", "run/lock", "var"):
        (tree / name).mkdir()
    (tree / "var/run").symlink_to("../run")
    (tree / "var/lock").symlink_to("../run/lock")
    for _ in items("reading the root file system's packages", ["."]):
        _database(tree, debs)
    environment = {"CONFIGURATION": str(CONFIGURATION), "PATH": os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]),
                   **{f"LEFT_OUT_{i}": pattern for i, pattern in enumerate(LEFT_OUT, 1)}}
    rights = [] if os.geteuid() == 0 else ["fakeroot", "--"]
    progress.run("making a Debian root file system", [*rights, "bash", "-c", SCRIPT, "rootfs", tree, image, IMAGE_MIB, LABEL, *debs.values()],
                 "rootfs.log", env=environment)
    shutil.rmtree(tree)
    shutil.rmtree(image.parent / "control")
    return debs
