# SPDX-License-Identifier: Apache-2.0
"""The rows of two CPUs: SGIs and events from one to the other, and how long an interrupt waits for its driver.  A plugin of QEMU's
(tests/bench/trace.c) tells what happened and how many instructions each CPU had executed by then; a figure is made of the CPUs' own
instructions, so that QEMU's running them in turns does not show."""
import statistics
from collections import namedtuple

import batch
import bench_plugin
import bench_rows
from bench_rows import BOOT_SECONDS, FOLDER
from progress import Failure, say

GUEST = FOLDER / "cpus.cfg"
LATENCY = FOLDER / "latency.list"
GICD_SGIR = 0x08000f00        # virt's
UART_MASK = 0x09000038        # its PL011's interrupt mask, by which latency_bench.cc raises the line
SERVICES = "400000-10000000"  # where services are linked; no guest of ours and nothing of the kernel's is there
HANDLER, DRIVER = 96, 97      # tests/bench/marks.h
DEVICE_CPU, DRIVER_CPU = 1, 0
LEAST_KEPT = 0.8              # of the samples

Event = namedtuple("Event", "kind cpu counts value")


def parse(text):
    """The events of trace.c's output."""
    lines = (line.split() for line in text.splitlines())
    return [Event(kind, int(cpu), (int(a), int(b)), int(value)) for kind, cpu, a, b, value in lines]


def _rounds(events, mark):
    """For each time the mark was set, the events from there to the next mark of that kind (to the end of the events)."""
    starts = [i for i, event in enumerate(events) if event.kind == "m" and event.value == mark]
    return [events[a:b] for a, b in zip(starts, starts[1:] + [len(events)])]


def _received(events, sender, ends):
    """(doorbell, end): the first end on the other CPU after a doorbell of the sender's, and the last such doorbell before it."""
    doorbell = None
    for event in events:
        if event.kind == "d" and event.cpu == sender:
            doorbell = event
        elif doorbell is not None and event.cpu != sender and ends(event):
            return doorbell, event
    return None


def _handler(event):
    return event.kind == "m" and event.value == HANDLER


def _service(event):
    return event.kind == "s"


def _sent(events, ends):
    """(sender's, receiver's) instructions from the mark that the events begin with."""
    begin = events[0]
    found = _received(events, begin.cpu, ends)
    if found is None:
        return None
    doorbell, end = found
    return doorbell.counts[begin.cpu] - begin.counts[begin.cpu], end.counts[end.cpu] - doorbell.counts[end.cpu]


def _answered(events):
    """The same of what the other CPU's service sends back, from its system call on."""
    service = 1 - events[0].cpu
    found = _received(events, service, _handler)
    if found is None:
        return None
    doorbell, end = found
    return doorbell.counts[service] - doorbell.value, end.counts[end.cpu] - doorbell.counts[end.cpu]


PATHS = {"sgi": lambda events: _sent(events, _handler), "to_service": lambda events: _sent(events, _service), "from_service": _answered}


def between(events, row):
    """The samples (sender's, receiver's instructions) of a row of "between_cpus"."""
    samples = [PATHS[row["path"]](part) for part in _rounds(events, row["mark"])]
    if not samples or None in samples:
        raise Failure(f"{row['name']}: {samples.count(None)} of {len(samples)} samples did not arrive")
    return samples


def latencies(events, row):
    """The samples of a row of "latency": the driver's CPU's instructions from the line's rise to the driver.  Where the device's CPU had
    not gone back to sleep by then, its turn was cut short, and the kernel on the other may have waited for it: those are left out."""
    marks = {e.value for e in events if e.kind == "m"} - {DRIVER}
    samples, rise, inside = [], None, False
    for event in events:
        if event.kind == "m" and event.value in marks:
            inside = event.value == row["mark"]
        elif inside and event.kind == "d" and event.cpu == DEVICE_CPU:
            rise = event.counts
        elif inside and event.kind == "m" and rise is not None:
            samples.append((event.counts[DRIVER_CPU] - rise[DRIVER_CPU], event.counts[DEVICE_CPU] - rise[DEVICE_CPU]))
            rise = None
    asleep = statistics.mode(device for _, device in samples) if samples else 0
    good = [driver for driver, device in samples if device >= asleep]
    if not good or len(good) < LEAST_KEPT * len(samples):
        raise Failure(f"{row['name']}: {len(good)} of {len(samples)} samples are good")
    return good


def summary(samples):
    """What the tables hold of latencies: median and worst."""
    return {"median": sorted(samples)[len(samples) // 2], "worst": max(samples), "samples": len(samples)}


def parts(samples):
    """Of paths: the median one and its two parts.  Not the worst: when the command that starts the guest arrives is up to the host, and so
    is what else a service does in one round or another."""
    sender, receiver = sorted(samples, key=lambda pair: (sum(pair), pair))[len(samples) // 2]
    return {"median": sender + receiver, "sender": sender, "receiver": receiver, "samples": len(samples)}


def _traced(what, doorbell, talk, **how):
    out = bench_plugin.FOLDER / f"{what}.txt"
    plugin = f"{bench_plugin.compiled('trace')},services={SERVICES},doorbell={doorbell:x},out={out}"
    line = bench_rows.command("virt", cpus=2, qemu=["-plugin", plugin], **how)
    say(f"measuring {what} on two CPUs")
    bench_rows.dialogue(what, line, talk)
    return parse(out.read_text())


def _ended(what, console):
    end = console.expect(bench_rows.END, bench_rows.ROWS_SECONDS)
    if end[1] != "end":
        raise Failure(f"{what}: {end[0]}")


def _guest(console):
    console.expect(batch.PROMPT, BOOT_SECONDS)
    console.type(f"xl create -c {GUEST.name}\n")
    _ended("between CPUs", console)


def between_cpus(reference):
    """{row: parts} of "between_cpus"."""
    events = _traced("between_cpus", GICD_SGIR, _guest, guests=[GUEST])
    return {row["name"]: parts(between(events, row)) for row in reference["between_cpus"]}


def latency(reference):
    """{row: summary} of "latency"."""
    events = _traced("latency", UART_MASK, lambda console: _ended("latency", console), bundle_list=LATENCY)
    return {row["name"]: summary(latencies(events, row)) for row in reference["latency"]}
