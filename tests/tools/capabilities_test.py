# SPDX-License-Identifier: Apache-2.0
"""What tools/suites/capabilities.py makes of `ps -c`."""
import unittest

from suites import capabilities

TABLE = """console
     1  Domain        control           self: domain console
    11  Notification  signal            init.peer: init.events (badge 0x100)
    13  Notification  signal            console.peer: xl.events (badge 0x2)
    30  Notification  signal,wait,copy  
xl
    14  Memory        rw                console: channel console
"""


class CapabilitiesTest(unittest.TestCase):
    def test_table_is_read(self):
        held = capabilities.held(TABLE)
        self.assertEqual(list(held), ["console", "xl"])
        self.assertEqual(held["console"][1], ("Notification", "signal", "init.peer: init.events"))
        self.assertEqual(held["console"][2], ("Notification", "signal", "console.peer: xl.events (badge 0x2)"))
        self.assertEqual(held["console"][3], ("Notification", "signal,wait,copy", ""))

    def test_differences_are_named(self):
        one, two = ("Memory", "r", "a"), ("Memory", "rw", "a")
        self.assertEqual(capabilities.differences("x", [one], [one]), [])
        self.assertEqual(capabilities.differences("x", [two], [one]), [f"x lacks {one}", f"x has {two}"])
        self.assertEqual(capabilities.differences("x", [one, one], [one]), [f"x has {one}", f"x has {one}"])

    def test_nothing_is_not_everything(self):
        manifest = {"services": [{"name": "xl", "capabilities": []}], "channels": [], "vmm": {"capabilities": []}}
        self.assertTrue(capabilities.check(manifest, {}, {}))


if __name__ == "__main__":
    unittest.main()
