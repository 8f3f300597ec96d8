# SPDX-License-Identifier: Apache-2.0
"""Executed instructions of booting and of creating a guest, by a plugin of QEMU's; memory and sizes."""
import json
import re
import subprocess

import batch
import bench_plugin
import bench_rows
from bench_rows import BOOT_SECONDS, FOLDER
from paths import KERNEL_ELF, KERNEL_IMAGE, ROOT
from progress import Failure, say

GUEST = FOLDER / "linux.cfg"
INIT_SECONDS = 600
KERNEL_ADDRESS = 0x40200000    # where virt's boot loader puts an Image with text_offset 0
UART = 0x09000000              # virt's PL011
INIT_UP = re.compile(r"^INIT-UP", re.MULTILINE)
STAMP = re.compile(r"(\d+) (\d+) (\d+) (\d+) (.*)")
MILLION = 1_000_000


def _first(stamps, pattern, after=0):
    """(index, counts) of the first line that matches."""
    for index in range(after, len(stamps)):
        if re.match(pattern, stamps[index][1]):
            return index, stamps[index][0]
    raise Failure(f"booting: no line {pattern} was stamped")


def _create(console):
    console.expect(batch.PROMPT, BOOT_SECONDS)
    console.type(f"xl create {GUEST.name}\n")
    console.expect(batch.PROMPT, BOOT_SECONDS)
    console.type("xl console linux\n")
    console.expect(INIT_UP, INIT_SECONDS)
    console.watch(1)   # the end of the line


def stamped(what, talk, guests, qemu=()):
    """Each line on the console of a dialogue: ([EL2 kernel, guest's kernel, user code, all], its text), instructions executed when it began."""
    out = bench_plugin.FOLDER / "stamps.txt"
    end = KERNEL_ADDRESS + KERNEL_IMAGE.stat().st_size
    plugin = f"{bench_plugin.compiled('stamps')},kernel={KERNEL_ADDRESS:x}-{end:x},uart={UART:x},out={out}"
    bench_rows.dialogue(what, bench_rows.command("virt", guests=guests, qemu=["-plugin", plugin, *qemu]), talk)
    matches = filter(None, map(STAMP.fullmatch, out.read_text(errors="replace").splitlines()))
    return [([int(m[i]) for i in (1, 2, 3, 4)], m[5]) for m in matches]


def measure():
    """{name: millions of executed instructions}, and under "parts" the same as [EL2 kernel, guest's kernel, user code]."""
    say("counting a boot and the creation of a guest")
    stamps = stamped("booting", _create, [GUEST])
    at, prompt = _first(stamps, r"pyrene# ")
    at, begin = _first(stamps, r"Parsing config from", at)
    at, created = _first(stamps, r"pyrene# ", at)
    at, init = _first(stamps, r"INIT-UP", at)
    spans = {"prompt": ([0] * 4, prompt), "create": (begin, created), "create_to_init": (begin, init),
             "power_on_to_init": ([0] * 4, init)}
    result = {name: (to[3] - since[3]) / MILLION for name, (since, to) in spans.items()}
    result["parts"] = {name: [(to[i] - since[i]) / MILLION for i in range(3)] for name, (since, to) in spans.items()}
    return result


def _number(pattern, text):
    match = re.search(pattern, text, re.MULTILINE)
    if not match:
        raise Failure(f"sizes: nothing matches {pattern} in:\n{text}")
    return int(match[1])


def sizes(machine):
    """Kernel's code lines and bytes; memory in pages of everything that is there before the first guest."""
    files = [path for path in sorted((ROOT / "kernel").rglob("*")) if path.suffix in {".cc", ".h", ".S", ".ld", ".cmake"}]
    shown = subprocess.run(["cloc", "--json", "--quiet", *map(str, files)], capture_output=True, text=True, check=True).stdout
    text = subprocess.run(["aarch64-linux-gnu-size", str(KERNEL_ELF)], capture_output=True, text=True, check=True).stdout
    line = bench_rows.command(machine)

    def talk(console):
        console.expect(batch.PROMPT, BOOT_SECONDS)
        answers = []
        for words in ("xl info", "ps"):
            console.type(words + "\n")
            console.expect(batch.PROMPT, BOOT_SECONDS)
            answers.append(console.before)
        return answers

    info, domains = bench_rows.dialogue("sizes", line, talk)
    initrd = line[line.index("-initrd") + 1]
    used = _number(r"^total_memory\s*: (\d+)", info) * 256 - _number(r"^\(free\) +(\d+)", domains) // 4
    with open(initrd, "rb") as f:
        bundle_pages = -(-f.seek(0, 2) // 4096)
    services = dict(re.findall(r"^(\w\S*) +running +\d+ +(\d+) ", domains, re.MULTILINE))
    return {"kernel_lines": json.loads(shown)["SUM"]["code"], "kernel_text_bytes": int(text.splitlines()[1].split()[0]),
            "memory_pages": used - bundle_pages, "bundle_pages": bundle_pages,
            "services_pages": {k: int(v) // 4 for k, v in services.items()}}
