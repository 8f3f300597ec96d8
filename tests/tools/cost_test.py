# SPDX-License-Identifier: Apache-2.0
import json
import unittest

import bench_blackouts
import bench_linux
import bench_report
from suites import cost


def row(name, xen, same=None, goal=None):
    return {"name": name, "what": name, "xen": xen, "xen_same_guest": xen if same is None else same, "goal": goal}


class WorseTest(unittest.TestCase):
    def test_less_than_the_smaller_figure_is_asked_for(self):
        reference = {"rows": [row("hypercall", 430, 428.0)]}
        self.assertEqual(cost.worse({"hypercall": 427.0}, reference), [])
        self.assertEqual(len(cost.worse({"hypercall": 428.0}, reference)), 1)
        self.assertEqual(len(cost.worse({"hypercall": 429.0}, reference)), 1)

    def test_what_no_hypervisor_takes_part_in_may_be_equal(self):
        reference = {"rows": [row("loop", 2.0)]}
        self.assertEqual(cost.worse({"loop": 2.0}, reference), [])
        self.assertEqual(len(cost.worse({"loop": 2.5}, reference)), 1)

    def test_rows_beyond_their_limit_and_missing_ones_are_named(self):
        rows = [{"name": "read", "goal": None}, {"name": "blackout", "goal": 100}, {"name": "write", "goal": None}]
        wrong = cost.beyond({"read": 9.0, "blackout": 101.0}, rows)
        self.assertEqual([sentence.split()[0].rstrip(":") for sentence in wrong], ["blackout", "write"])

    def test_missing_and_unknown_rows_are_named(self):
        wrong = cost.worse({"new": 1.0}, {"rows": [row("old", 100)]})
        self.assertEqual([sentence.split()[0].rstrip(":") for sentence in wrong], ["old", "new"])


class BlackoutsTest(unittest.TestCase):
    def test_an_answer_counts_from_the_kill_before_it(self):
        lines = [(5, "a note on the card"), (10, "begins"), (12, "pyrene# "), (30, "a note on the card"), (40, "begins"), (50, "begins"),
                 (55, "a note on the card"), (90, "a note on the card")]
        self.assertEqual(bench_blackouts.answers([([0, 0, 0, at], text) for at, text in lines]), [20, 5])


class ReportTest(unittest.TestCase):
    REFERENCE = {"rows": [row("hypercall", 430, 420.0, 300)], "services": [{"name": "call", "what": "call/reply", "goal": 400}],
                 "store": [], "blackouts": [], "file": [],
                 "between_cpus": [{"name": "sgi", "what": "SGI", "xen": None}], "latency": [{"name": "idle", "what": "it sleeps", "xen": None}],
                 "disk": [{"name": "read", "what": "a read", "xen": 50600, "required": 25000, "goal": 12000, "limit": 24300}],
                 "linux_store": [{"name": "ask", "what": "a request", "xen": None, "required": None, "goal": None, "limit": 100}],
                 "boot": {"rows": [{"name": "create", "what": "xl create itself", "xen": 342.5, "goal": 20, "required": 60}]}}

    def results(self, **parts):
        return {"machine": "virt", "rows": {}, "services": {}, "store": {}, "blackouts": {}, "disk": {}, "file": {}, "linux_store": {}, "between_cpus": {},
                "latency": {}, "boot": {}, "sizes": {}, **parts}

    def test_ratio_is_to_the_smaller_figure(self):
        text = bench_report.markdown(self.results(rows={"hypercall": 210.0}), self.REFERENCE)
        self.assertRegex(text, r"\| `hypercall`: hypercall +\| +430 +\| +420 +\| +210 +\| +300 +\| +0\.50 \|")

    def test_rows_without_a_figure_of_xens(self):
        text = bench_report.markdown(self.results(services={"call": 390.0}), self.REFERENCE)
        self.assertRegex(text, r"\| `call`: call/reply +\| +- \| +- \| +390 \| +400 \| +- \|")

    def test_boot_shows_parts_and_limits(self):
        boot = {"create": 16.5, "parts": {"create": [1.5, 0.0, 15.0]}}
        text = bench_report.markdown(self.results(boot=boot), self.REFERENCE)
        self.assertRegex(text, r"\| xl create itself +\| +342\.5 \| +16\.5 \| +1\.5 \| +0\.0 \| +15\.0 \| +60 \| +20 \| +0\.05 \|")

    def test_rows_of_two_cpus_show_median_and_worst(self):
        between = {"sgi": {"median": 900, "samples": 3, "sender": 400, "receiver": 500}}
        latency = {"idle": {"median": 300, "worst": 301, "samples": 3}}
        text = bench_report.markdown(self.results(between_cpus=between, latency=latency), self.REFERENCE)
        self.assertRegex(text, r"\| `sgi`: SGI +\| +- \| +900 \| +400 \| +500 \|")
        self.assertRegex(text, r"\| `idle`: it sleeps +\| +- \| +3 \| +300 \| +301 \|")

    def test_disk_rows_show_what_is_required(self):
        text = bench_report.markdown(self.results(disk={"read": 23920.6}), self.REFERENCE)
        self.assertRegex(text, r"\| `read`: a read +\| +50600 \| +23921 \| +25000 \| +12000 \| +0\.47 \|")

    def test_a_disk_that_costs_more_than_its_limit_is_told(self):
        self.assertEqual(cost.linux_wrong({"read": 24300.0, "ask": 100.0}, self.REFERENCE), [])
        self.assertEqual(cost.linux_wrong({"read": 24301.0, "ask": 99.0}, self.REFERENCE), ["read: 24301 instructions, at most 24300 are allowed"])
        self.assertEqual(cost.linux_wrong({"read": 24300.0, "ask": 101.0}, self.REFERENCE), ["ask: 101 instructions, at most 100 are allowed"])

    def test_rows_of_a_guest_that_xen_was_not_measured_with(self):
        text = bench_report.markdown(self.results(linux_store={"ask": 50.4}), self.REFERENCE)
        self.assertRegex(text, r"\| `ask`: a request +\| +- \| +50 \| +- \| +- \| +- \|")

    def test_nothing_measured_is_no_table(self):
        self.assertNotIn("|", bench_report.markdown(self.results(), self.REFERENCE))


class LinuxRowsTest(unittest.TestCase):
    def test_each_row_has_its_runs_and_stands_in_the_reference(self):
        measured = bench_linux.rows({run: number for number, run in enumerate([*bench_linux.RUNS, *bench_linux.FILE_RUNS])})
        listed = json.loads(cost.REFERENCE.read_text())
        self.assertEqual(sorted(measured), sorted(row["name"] for part in bench_linux.PARTS for row in listed[part]))

    def test_differences_are_divided_by_the_requests_between(self):
        spent = {run: 0 for run in (*bench_linux.RUNS, *bench_linux.FILE_RUNS)} | {"nothing": 500, "fio_32_2000": 10_000, "fio_32_8000": 70_000, "file_write_4k_8192": 16_884}
        found = bench_linux.rows(spent)
        self.assertEqual((found["disk_fio_depth32"], found["file_write_4k"]), (10.0, 2.0))


if __name__ == "__main__":
    unittest.main()
