# SPDX-License-Identifier: Apache-2.0
"""system/cost@virt: the operations that `pyrene bench` measures cost fewer instructions than under Xen.  Instructions under -icount are
the same on every run, so a slow machine changes nothing."""
import json

import bench_blackouts
import bench_linux
import bench_rows
import bench_trace
from paths import ROOT
from suites.base import Test, TestFailure

REFERENCE = ROOT / "tests/bench/xen_reference.json"
UNTRAPPED = 10       # rows below this many instructions are the guest's own: nothing to be better at
ACCURACY = 0.05      # of a mean of 10,000 rounds, by a counter that ticks every 16 instructions


def _allowed(row):
    """The most that the row may cost: less than Xen's smaller figure, or the same where no hypervisor takes part."""
    xen = min(row["xen"], row["xen_same_guest"])
    return xen + ACCURACY if xen < UNTRAPPED else xen - 1


def worse(measured, reference):
    """Sentences about rows that are missing or not better than Xen's."""
    result = []
    for row in reference["rows"]:
        value = measured.get(row["name"])
        if value is None:
            result.append(f"{row['name']} was not measured")
        elif value > _allowed(row):
            result.append(f"{row['name']}: {value:.2f} instructions, at most {_allowed(row):.2f} are allowed")
    known = {row["name"] for row in reference["rows"]}
    return result + [f"{name}: no figure of Xen's to compare with" for name in measured if name not in known]


def beyond(found, rows):
    """What is wrong with the rows of XenStore and of blackouts: a goal is a limit there."""
    result = [f"{row['name']}: {found[row['name']]:.0f} instructions, at most {row['goal']} are allowed"
              for row in rows if row["name"] in found and row["goal"] is not None and found[row["name"]] > row["goal"]]
    return result + [f"{row['name']} was not measured" for row in rows if row["name"] not in found]


def linux_wrong(found, reference):
    """What is wrong with the rows of a Debian guest."""
    return [f"{row['name']}: {found[row['name']]:.0f} instructions, at most {row['limit']} are allowed"
            for part in bench_linux.PARTS for row in reference[part] if found[row["name"]] > row["limit"]]


class CostTest(Test):
    needs = ("target",)

    def __init__(self):
        super().__init__("system/cost@virt", "a guest's operations cost fewer instructions than under Xen")

    def run(self, log, rounds, first, on_round):
        reference = json.loads(REFERENCE.read_text())
        measured = bench_rows.guest("virt")
        services = bench_rows.services("virt")
        store = bench_rows.store("virt")
        blackouts = bench_blackouts.measure()
        linux = bench_linux.measure()
        for name, value in {**measured, **services, **store, **blackouts, **linux}.items():
            log.write(f"{name} {value:.2f}\n")
        # Each row of two CPUs is there, or this fails. They have no limit: Xen's figures do not have them.
        for name, found in {**bench_trace.between_cpus(reference), **bench_trace.latency(reference)}.items():
            log.write(f"{name} {json.dumps(found)}\n")
        wrong = worse(measured, reference)
        wrong += [f"{row['name']} was not measured" for row in reference["services"] if row["name"] not in services]
        wrong += beyond(store, reference["store"]) + beyond(blackouts, reference["blackouts"]) + linux_wrong(linux, reference)
        if wrong:
            raise TestFailure("\n".join(wrong))


def discover():
    return [CostTest()]
