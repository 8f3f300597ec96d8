# SPDX-License-Identifier: Apache-2.0
import contextlib
import io
import sys
import unittest

import batch
from console import Console
from progress import Failure

# A shell that echoes what is typed, as the system's does, knows echo, false, panic and poweroff, and keeps the last status.
CHILD = r"""
import sys
status = 0
sys.stdout.write("booting\r\npyrene# ")
sys.stdout.flush()
for line in sys.stdin:
    line = line.rstrip("\n")
    out = ""
    if line == "echo $?":
        out, status = f"{status}\r\n", 0
    elif line.startswith("echo "):
        out, status = line[5:] + "\r\n", 0
    elif line == "panic":
        out = "PANIC: asked for\r\n"
    elif line == "poweroff":
        sys.exit(0)
    elif line == "crash":
        sys.exit(1)
    else:
        status = 1
    sys.stdout.write(line + "\r\n" + out + "pyrene# ")
    sys.stdout.flush()
"""


class BatchTest(unittest.TestCase):
    def run_batch(self, text):
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            with Console([sys.executable, "-u", "-c", CHILD], None) as console:
                status = batch.run(console, batch.split(text))
        return status, out.getvalue()

    def test_output_only(self):
        self.assertEqual(self.run_batch("echo a; echo 'b;c'"), (0, "a\n'b;c'\n"))

    def test_failed_command(self):
        self.assertEqual(self.run_batch("false; echo on"), (batch.FAILED, "on\n"))

    def test_panic(self):
        status, out = self.run_batch("panic; echo on")
        self.assertEqual(status, batch.DIED)
        self.assertNotIn("on\n", out)

    def test_death(self):
        self.assertEqual(self.run_batch("crash")[0], batch.DIED)

    def test_poweroff_is_no_death(self):
        self.assertEqual(self.run_batch("echo x; poweroff"), (0, "x\n"))

    def test_split(self):
        self.assertEqual(batch.split(" a ;; b 'c;d' \"e;f\";"), ["a", "b 'c;d' \"e;f\""])
        with self.assertRaises(Failure):
            batch.split("a 'b")


if __name__ == "__main__":
    unittest.main()
