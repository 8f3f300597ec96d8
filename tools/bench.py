# SPDX-License-Identifier: Apache-2.0
"""`pyrene bench`: what guests' and services' operations, booting and creating a guest cost, in instructions, beside Xen's figures."""
import argparse
import json

import bench_blackouts
import bench_boot
import bench_linux
import bench_report
import bench_rows
import bench_trace
import build
import packages
from paths import BUILD, ROOT
from progress import build_lock, say

REFERENCE = ROOT / "tests/bench/xen_reference.json"
FOLDER = BUILD / "bench"


def _selected(name, only):
    return only is None or only in name


def _measure(machine, reference, only):
    """The results as they are written to results.json."""
    results = {"machine": machine, "rows": {}, "services": {}, "store": {}, "blackouts": {}, **{part: {} for part in bench_linux.PARTS},
               "between_cpus": {}, "latency": {}, "boot": {}, "sizes": {}}
    wanted = {part: any(_selected(row["name"], only) for row in reference[part])
              for part in ("rows", "services", "store", "blackouts", *bench_linux.PARTS, "between_cpus", "latency")}
    if wanted["rows"]:
        results["rows"] = bench_rows.guest(machine)
    if wanted["services"]:
        results["services"] = bench_rows.services(machine)
    if wanted["store"]:
        results["store"] = bench_rows.store(machine)
    if machine == "virt" and wanted["blackouts"]:
        results["blackouts"] = bench_blackouts.measure()
    if machine == "virt" and any(wanted[part] for part in bench_linux.PARTS):
        found = bench_linux.measure()
        results |= {part: {row["name"]: found[row["name"]] for row in reference[part]} for part in bench_linux.PARTS}
    if machine == "virt" and wanted["between_cpus"]:
        results["between_cpus"] = bench_trace.between_cpus(reference)
    if machine == "virt" and wanted["latency"]:
        results["latency"] = bench_trace.latency(reference)
    if machine == "virt" and any(_selected(row["name"], only) for row in reference["boot"]["rows"]):
        results["boot"] = bench_boot.measure()
    if only is None:
        results["sizes"] = bench_boot.sizes(machine)
    for part in ("rows", "services", "store", "blackouts", *bench_linux.PARTS, "between_cpus", "latency", "boot"):
        results[part] = {name: value for name, value in results[part].items() if name == "parts" or _selected(name, only)}
    return results


def main(arguments):
    parser = argparse.ArgumentParser(prog="pyrene bench", description="Counts instructions, and compares them with Xen's.")
    parser.add_argument("--only", metavar="NAME", help="the rows whose names contain it; results.json and .md are not written")
    parser.add_argument("--machine", choices=["virt", "raspi4b"], default="virt",
                        help="virt with one CPU (default), or raspi4b with its four, which is not compared")
    options = parser.parse_args(arguments)
    reference = json.loads(REFERENCE.read_text())
    packages.ensure("lint")
    with build_lock():
        build.target()
    results = _measure(options.machine, reference, options.only)
    text = bench_report.markdown(results, reference)
    print(text, end="")
    if options.only is None:
        suffix = "" if options.machine == "virt" else f"-{options.machine}"
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / f"results{suffix}.json").write_text(json.dumps(results, indent=1) + "\n")
        (FOLDER / f"results{suffix}.md").write_text(text)
        say(f"written: build/bench/results{suffix}.json and .md")
    return 0
