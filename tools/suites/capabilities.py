# SPDX-License-Identifier: Apache-2.0
"""system/capabilities@MACHINE: every service holds what the manifest names and nothing else, as `ps -c` reads it from the kernel.

What is expected is worked out here from the manifest's own text, by Debian's capnp tool; init has no part in it.
"""
import json
import re
import subprocess

from paths import BUILD, ROOT
from suites.base import Test, TestFailure

MANIFESTS = ROOT / "services/init/manifest"
SECONDS = 600
LINE = re.compile(r" +\d+  (\w+) +(\S+)(?: +(.*))?")
LETTERS = {"read": "r", "write": "w", "dma": "d"}
# What a VMM has for its one guest beside the manifest's; what it made itself has no name.
VMM_OWN = {("Domain", "control", "guest: guest 1"), ("Memory", "rw", "magic: magic pages of guest 1"),
           ("Memory", "rw", "frames: frames of guest 1"), ("Memory", "rwx,copy", "ram.0: guest 1 ram.0"),
           ("Memory", "rw", "vmm: channel vmm.1.control"), ("Memory", "rw", "console: channel vmm.1.console"),
           ("Memory", "rw", "xenstore: channel vmm.1.xenstore")}
VMM_PEERS = {"vmm.peer: init.events", "console.peer: console.events", "xenstore.peer: xenstore.events",
             "pv.console.peer: console.events", "pv.xenstore.peer: xenstore.events"}
VMM_MADE = {"Vcpu", "Thread", "Notification"}
# Of a guest: its VMM's log, its messages and its ring.
OFFERS = {"console": {("Memory", "r", "offer log.vmm.1"), ("Memory", "rw", "offer console.1"), ("Notification", "signal", "offer console.1.peer"),
                      ("Memory", "rw", "offer pv.console.1"), ("Notification", "signal", "offer pv.console.1.peer")},
          "xenstore": {("Memory", "rw", "offer xenstore.1"), ("Notification", "signal", "offer xenstore.1.peer"),
                       ("Memory", "rw", "offer pv.xenstore.1"), ("Notification", "signal", "offer pv.xenstore.1.peer")}}
ONE_BIT = r" \(badge 0x[1248]0*\)$"


def _manifest(machine):
    words = ["capnp", "eval", f"-I{ROOT}", "-ojson", str(MANIFESTS / f"{machine}.capnp"), machine]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise TestFailure(f"capnp can not read the manifest: {done.stderr.strip()}")
    return json.loads(done.stdout)


def _common(name):
    return {("Domain", "control", f"self: domain {name}"), ("Thread", "control", f"thread: thread {name}"),
            ("Notification", "signal", "log.signal: console.events (badge 0x4000000000000000)"),
            ("Memory", "rw", f"init: channel {name}.init"), ("Notification", "signal", "init.peer: init.events")}


def _granted(name, service, everybody):
    for capability in service["capabilities"]:
        label = capability["name"]
        rights = "".join(letter for key, letter in LETTERS.items() if capability["rights"][key]) if "rights" in capability else ""
        if "events" in capability:
            yield "Notification", "signal,wait,copy", f"events: {name}.events"
        elif "device" in capability:
            yield "Memory", rights, f"{label}: device 0x{int(capability['device']['base']):x}"
        elif "irq" in capability:
            yield "Irq", "control", f"{label}: interrupt {capability['irq']}"
        elif "memory" in capability:
            yield "Memory", rights, f"{label}: memory {capability['memory']}"
        elif "logs" in capability:
            yield from (("Memory", rights, f"log.{other}: log of {other}") for other in ["init", *everybody])
        else:
            text = {"kernelLog": "kernel log", "bundle": "boot bundle", "gicv": "GICV", "deviceTree": "device tree"}
            yield "Memory", rights, f"{label}: " + next(words for key, words in text.items() if key in capability)


def _channels(name, channels):
    for channel in channels:
        ends = {channel["client"]: (channel["server"], channel["serverBit"]), channel["server"]: (channel["client"], channel["clientBit"])}
        if name in ends:
            peer, bit = ends[name]
            yield "Memory", "rw", f"{channel['name']}: channel {channel['name']}"
            yield "Notification", "signal", f"{channel['name']}.peer: {peer}.events (badge {1 << bit:#x})"


def _without_chosen_badge(name, entry):
    """Which bit init chose is init's affair, but that it is one bit is not."""
    kind, rights, text = entry
    chosen = text.startswith(("init.peer: ", "offer ")) or (name == "vmm.1" and re.sub(ONE_BIT, "", text) in VMM_PEERS)
    return kind, rights, re.sub(ONE_BIT, "", text) if chosen and kind == "Notification" else text


def held(text):
    """{service: list of (type, rights, object)} of what `ps -c` printed."""
    result, name = {}, ""
    for line in text.splitlines():
        match = LINE.fullmatch(line.rstrip())
        if match:
            result[name].append(_without_chosen_badge(name, (match[1], match[2], (match[3] or "").strip())))
        elif re.fullmatch(r"[a-z][a-z0-9.-]*", line.strip()):
            name = line.strip()
            result[name] = []
    return result


def differences(name, have, wanted):
    """Sentences about what is missing, too much or there twice."""
    have, wanted = list(have), list(wanted)
    result = [f"{name} lacks {entry}" for entry in wanted if entry not in have]
    return result + [f"{name} has {entry}" for entry in have if entry not in wanted or have.count(entry) > 1]


def check(manifest, before, after):
    """What is wrong with the tables printed before and after one guest was created."""
    names = [service["name"] for service in manifest["services"]]
    wrong = [f"before the guest: services {sorted(before)}"] if sorted(before) != sorted(names) else []
    for service in manifest["services"]:
        name = service["name"]
        wanted = [*_common(name), *_granted(name, service, names), *_channels(name, manifest["channels"])]
        wrong += differences(name, before.get(name, []), wanted)
        wrong += differences(f"{name} with a guest", after.get(name, []), [*wanted, *OFFERS.get(name, ())])
    vmm = [entry for entry in after.get("vmm.1", []) if not (entry[0] in VMM_MADE and entry[2] == "")]
    peers = [("Notification", "signal", text) for text in VMM_PEERS]
    return wrong + differences("vmm.1", vmm, [*_common("vmm.1"), *_granted("vmm.1", manifest["vmm"], names), *VMM_OWN, *peers])


class CapabilitiesTest(Test):
    needs = ("target",)

    def __init__(self, machine):
        super().__init__(f"system/capabilities@{machine}", "services hold what the manifest names and nothing else")
        self.machine = machine

    def run(self, log, rounds, first, on_round):
        mark = "with a guest"
        # With a disk: a driver without a device has ended.
        words = [str(ROOT / "pyrene"), "run", "--machine", self.machine, "--disk", f"{BUILD}/tests/capabilities-{self.machine}.img,4M",
                 "--batch", f"ps -c; xl create ram.cfg; echo {mark}; ps -c"]
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            raise TestFailure(f"no end after {SECONDS} s") from error
        log.write(done.stdout + done.stderr)
        before, found, after = done.stdout.partition(f"\n{mark}\n")
        if done.returncode or not found:
            raise TestFailure(f"`pyrene run --batch` ended with status {done.returncode}")
        wrong = check(_manifest(self.machine), held(before), held(after))
        if wrong:
            raise TestFailure("\n".join(wrong))


def discover():
    return [CapabilitiesTest(machine) for machine in ("raspi4b", "virt")]
