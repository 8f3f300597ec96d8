# SPDX-License-Identifier: Apache-2.0
"""An apt configuration of our own below build/apt, with sources derived from those the machine already has.

/etc/apt and /var/lib/apt/lists stay untouched, dpkg learns of no foreign architecture, and no mirror is named in this repository.
"""
import re
import subprocess
import time

import progress
from paths import APT, ROOT
from progress import Failure

RELEASE = "bookworm"
BACKPORTS = "bookworm-backports"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
FRESH_SECONDS = 24 * 3600   # how long downloaded package lists are used


def machine_sources():
    """(archive, suite, component) of the Debian 12 sources of this machine, the main archive first."""
    shown = subprocess.run(["apt-get", "indextargets", "--no-release-info", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)",
                            "Created-By: Packages"], capture_output=True, text=True, check=False)
    found = []
    for line in shown.stdout.splitlines():
        fields = tuple(line.split())
        if len(fields) == 3 and re.fullmatch(r"(bookworm|stable)([-/].*)?", fields[1]) and fields[2] == "main":
            found.append(fields)
    found = list(dict.fromkeys(found))
    found.sort(key=lambda source: source[1] not in (RELEASE, "stable"))
    if not found or found[0][1] not in (RELEASE, "stable"):
        raise Failure("apt knows no source of Debian 12 (bookworm, component main); see /etc/apt/sources.list")
    return found


class AptArea:
    """One own configuration: for the machine's architecture (installs), or for another one (downloads only)."""

    def __init__(self, name, architecture=None, backports=False):
        self.path = APT / name
        self.architecture = architecture
        self.backports = backports
        self.conf = self.path / "apt.conf"

    def command(self, *arguments):
        return ["apt-get", "-c", str(self.conf), "-q", *arguments]

    def _write_configuration(self):
        for folder in ("lists/partial", "cache/archives/partial", "state"):
            (self.path / folder).mkdir(parents=True, exist_ok=True)
        sources = machine_sources()
        if self.backports and not any(suite == BACKPORTS for _, suite, _ in sources):
            sources.append((sources[0][0], BACKPORTS, "main"))
        options = f"signed-by={KEYRING}"
        lines = [
            f'Dir::Etc::sourcelist "{self.path}/sources.list";', 'Dir::Etc::sourceparts "/dev/null";',
            f'Dir::State::lists "{self.path}/lists";', f'Dir::Cache "{self.path}/cache";',
            'Acquire::Languages "none";', 'APT::Sandbox::User "root";', 'APT::Install-Recommends "false";',
            'DPkg::Use-Pty "false";', 'DPkg::Lock::Timeout "600";',
        ]
        if self.architecture:
            options += f" arch={self.architecture}"
            (self.path / "state/status").touch()
            lines += [
                f'Dir::State "{self.path}/state";', f'Dir::State::status "{self.path}/state/status";',
                f'APT::Architecture "{self.architecture}";', '#clear APT::Architectures;',
                f'APT::Architectures {{ "{self.architecture}"; }};',
                'Dir::Etc::Preferences "/dev/null";', 'Dir::Etc::PreferencesParts "/dev/null";',
            ]
        texts = {self.path / "sources.list": [f"deb [{options}] {uri} {suite} {part}" for uri, suite, part in sources],
                 self.conf: lines}
        changed = False
        for path, content in texts.items():
            text = "\n".join(content) + "\n"
            if not path.exists() or path.read_text() != text:
                path.write_text(text)
                changed = True
        return changed

    def prepare(self, as_root=()):
        """Writes the configuration and downloads package lists unless today's are there."""
        changed = self._write_configuration()
        stamp = self.path / "updated"
        if not changed and stamp.exists() and time.time() - stamp.stat().st_mtime < FRESH_SECONDS:
            return
        progress.run(f"downloading package lists ({self.path.name})",
                     [*as_root, *self.command("-o", "APT::Update::Error-Mode=any", "update")], f"apt-{self.path.name}-update.log")
        stamp.touch()

    def download(self, packages, log, dependencies=False):
        """Downloads packages, and what they depend on if asked; returns {package: path of its .deb}."""
        archives = self.path / "cache/archives"
        verb = ["--download-only", "install"] if dependencies else ["download"]
        nothing = self.path / "nothing"   # apt names only those that are not there yet
        (nothing / "partial").mkdir(parents=True, exist_ok=True)
        uris = subprocess.run(self.command("-y", "-o", f"Dir::Cache::archives={nothing}", "--print-uris", *verb, *packages),
                              capture_output=True, text=True, check=False)
        files = re.findall(r"^'[^']+' (\S+\.deb) ", uris.stdout, re.MULTILINE)
        if uris.returncode or not files:
            raise Failure(f"apt can not find {' '.join(packages)}:\n{uris.stderr}")
        progress.run(f"downloading {len(files)} {self.path.name} packages", self.command("-y", *verb, *packages), log, cwd=archives)
        return {name.split("_")[0]: archives / name for name in files}


def extract(deb, folder):
    """Unpacks a .deb into a folder."""
    done = subprocess.run(["dpkg-deb", "-x", str(deb), str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(f"can not unpack {deb.relative_to(ROOT)}: {done.stderr.strip()}")
