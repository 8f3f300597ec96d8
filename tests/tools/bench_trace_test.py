# SPDX-License-Identifier: Apache-2.0
import unittest

import bench_trace
from progress import Failure


class BetweenTest(unittest.TestCase):
    def samples(self, path, text):
        return bench_trace.between(bench_trace.parse(text), {"name": "row", "path": path, "mark": 64})

    def test_an_sgi_is_the_senders_part_to_the_doorbell_and_the_receivers_from_there(self):
        text = "m 1 1000 500 64\nd 1 1010 530 520\ns 0 1020 535 0\nm 0 1040 540 96\n"
        self.assertEqual(self.samples("sgi", text), [(30, 30)])

    def test_what_each_cpu_does_in_the_others_turn_does_not_count(self):
        text = "m 1 1000 500 64\nd 1 9000 530 520\nm 0 9040 99999 96\n"
        self.assertEqual(self.samples("sgi", text), [(30, 40)])

    def test_the_senders_own_handler_and_doorbells_of_others_are_no_end(self):
        text = "m 1 0 0 64\nd 0 5 5 0\nm 1 10 10 96\nd 1 20 20 0\nm 1 21 30 96\nm 0 27 30 96\n"
        self.assertEqual(self.samples("sgi", text), [(20, 7)])

    def test_an_event_and_its_answer(self):
        text = "m 1 0 100 64\nd 1 0 160 150\ns 0 20 170 0\nd 0 220 170 200\nm 1 250 230 96\n"
        self.assertEqual(self.samples("to_service", text), [(60, 20)])
        self.assertEqual(self.samples("from_service", text), [(20, 60)])

    def test_a_round_without_an_end_is_an_error(self):
        with self.assertRaises(Failure):
            self.samples("sgi", "m 1 0 0 64\nd 1 0 5 0\nm 0 9 9 96\nm 1 9 9 64\nd 1 9 15 0\n")
        with self.assertRaises(Failure):
            self.samples("sgi", "")


class LatencyTest(unittest.TestCase):
    ROW = {"name": "row", "mark": 73}

    def test_counts_the_drivers_cpu_from_the_rise_under_its_own_load_alone(self):
        text = ("m 0 0 0 72\nd 1 10 5 0\nm 0 500 25 97\nd 0 503 25 0\n"
                "m 0 600 25 73\nd 1 700 29 0\nm 0 760 49 97\nd 0 763 49 0\nd 1 800 95 0\nm 0 870 115 97\n"
                "m 0 900 115 74\nd 1 901 115 0\nm 0 999 135 97\n")
        self.assertEqual(bench_trace.latencies(bench_trace.parse(text), self.ROW), [60, 70])

    def test_samples_in_which_the_device_did_not_get_to_sleep_are_left_out_but_few(self):
        good = "d 1 100 10 0\nm 0 160 30 97\n"
        cut = "d 1 100 10 0\nm 0 9000 15 97\n"
        text = "m 0 0 0 73\n"
        self.assertEqual(bench_trace.latencies(bench_trace.parse(text + 9 * good + cut), self.ROW), 9 * [60])
        with self.assertRaises(Failure):
            bench_trace.latencies(bench_trace.parse(text + 3 * good + 2 * cut), self.ROW)

    def test_no_sample_is_an_error(self):
        with self.assertRaises(Failure):
            bench_trace.latencies(bench_trace.parse("m 0 0 0 72\nd 1 10 5 0\nm 0 500 5 97\n"), self.ROW)


class SummaryTest(unittest.TestCase):
    def test_median_and_worst(self):
        self.assertEqual(bench_trace.summary([5, 1, 9]), {"median": 5, "worst": 9, "samples": 3})

    def test_parts_of_the_median_path(self):
        self.assertEqual(bench_trace.parts([(1, 2), (5, 5), (2, 2)]), {"median": 4, "sender": 2, "receiver": 2, "samples": 3})


if __name__ == "__main__":
    unittest.main()
