# SPDX-License-Identifier: Apache-2.0
r"""Dialogues with the system over its serial line (`pyrene run --script`, and the system tests).

One step per line; empty lines and lines beginning with # are skipped:
  send TEXT                 types TEXT and Enter; \n \t \\ \xNN as in C, \c at the end: no Enter
  expect[:SECONDS] REGEX    waits (60 s unless said) until REGEX matches what came since the last match; ^ and $ match at
                            every line
  refuse REGEX              from here on the script fails as soon as a line matches REGEX
  pause SECONDS             lets the system run
  check COMPARISON          fails unless it holds: numbers, {NAME}s of earlier expects, + - * / ( ) and < <= == != >= >, as 1 < {a}/{b} < 2
  ended[:SECONDS] [STATUS]  waits until QEMU has ended (with that exit status)
  repeat N [NAME] ... end   does the steps between N times, counting from 1 as {NAME} ({i} unless said)

In all of them {rounds} is the number of rounds asked for, {first} the number of those done by earlier runs, and {NAME} what the group
(?P<NAME>...) of an earlier expect matched (taken literally in a REGEX).  `repeat {rounds}` counts from {first}+1.
An expect with such a group, or with $ at its end, waits until something follows the match: a number may arrive in pieces.
The output is matched without carriage returns and terminal control sequences.  Time limits are multiplied by PYRENE_TIME_SCALE.
"""
import ast
import operator
import re
from dataclasses import dataclass, field

from console import Ended, Refused, TimedOut
from progress import Failure

EXPECT_SECONDS = 60.0
REPORTED_LINES = 40
ROUNDS = "{rounds}"
_STEP = re.compile(r"(\w+)(?::([0-9.]+))?(?:\s+(.*))?")
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|.)")
_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv, ast.Lt: operator.lt,
              ast.LtE: operator.le, ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.GtE: operator.ge, ast.Gt: operator.gt}
_VARIABLE = re.compile(r"\{([a-z_]\w*)\}")


def value(node):
    """Of a parsed comparison or a part of it.  Raises ValueError for anything but what `check` allows."""
    match node:
        case ast.Constant(value=int() | float()):
            return node.value
        case ast.BinOp() if type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](value(node.left), value(node.right))
        case ast.Compare() if all(type(sign) in _OPERATORS for sign in node.ops):
            values = [value(part) for part in (node.left, *node.comparators)]
            return all(_OPERATORS[type(sign)](*pair) for sign, pair in zip(node.ops, zip(values, values[1:])))
    raise ValueError("no comparison of numbers")


def holds(text):
    """Whether a comparison of numbers is true.  Raises ValueError if it is none."""
    try:
        body = ast.parse(text.strip(), mode="eval").body
        if not isinstance(body, ast.Compare):
            raise ValueError("no comparison of numbers")
        return value(body)
    except SyntaxError as error:
        raise ValueError(str(error)) from error


class ScriptFailure(Exception):
    """The system did not behave as the script says."""


@dataclass
class Step:
    line: int
    verb: str
    seconds: float | None
    text: str
    body: list["Step"] = field(default_factory=list)   # of repeat


def parse(text, name):
    """The steps of a script.  Raises Failure naming the file and line of a mistake."""
    top = Step(0, "", None, "")
    open_steps = [top]
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _STEP.fullmatch(line)
        verb = match[1] if match else ""
        if verb == "end":
            if len(open_steps) == 1:
                raise Failure(f"{name}:{number}: end without repeat")
            open_steps.pop()
            continue
        step = Step(number, verb, float(match[2]) if match and match[2] else None, (match[3] or "") if match else "")
        _check(step, name)
        open_steps[-1].body.append(step)
        if verb == "repeat":
            open_steps.append(step)
    if len(open_steps) > 1:
        raise Failure(f"{name}:{open_steps[-1].line}: repeat without end")
    return top.body


def _check(step, name):
    where = f"{name}:{step.line}"
    if step.verb not in _Runner.VERBS:
        raise Failure(f"{where}: unknown step {step.verb!r}; known: {', '.join(sorted(_Runner.VERBS))}")
    if step.seconds is not None and step.verb not in ("expect", "ended"):
        raise Failure(f"{where}: {step.verb} takes no time limit")
    if step.verb in ("expect", "refuse"):
        if not step.text:
            raise Failure(f"{where}: {step.verb} needs a regular expression")
        try:
            re.compile(_VARIABLE.sub("0", step.text))
        except re.error as error:
            raise Failure(f"{where}: bad regular expression: {error}") from error
    if step.verb == "repeat" and not re.fullmatch(r"(\d+|\{\w+\})(\s+[a-z_]\w*)?", step.text):
        raise Failure(f"{where}: repeat needs a count (and perhaps a name)")
    if step.verb == "pause" and not re.fullmatch(r"[0-9.]+", step.text):
        raise Failure(f"{where}: pause needs seconds")
    if step.verb == "check":
        try:
            holds(_VARIABLE.sub("1", step.text))
        except ZeroDivisionError:
            pass   # of the numbers that stand in for what will be seen
        except ValueError as error:
            raise Failure(f"{where}: check: {error}") from error
    if step.verb == "ended" and not re.fullmatch(r"\d*", step.text):
        raise Failure(f"{where}: ended takes an exit status")


def load(path):
    try:
        return parse(path.read_text(), str(path))
    except OSError as error:
        raise Failure(f"--script: {error}") from error


def has_rounds(steps):
    """Whether the script itself counts its rounds (else the system under test does, in one go)."""
    return any(s.verb == "repeat" and (s.text.split()[0] == ROUNDS or has_rounds(s.body)) for s in steps)


def unescape(text):
    """What `send TEXT` types."""
    enter = "\n"
    if text.endswith(r"\c"):
        text, enter = text[:-2], ""

    def replace(match):
        code = match[1]
        if code[0] == "x" and len(code) == 3:
            return chr(int(code[1:], 16))
        return {"n": "\n", "t": "\t", "\\": "\\"}.get(code, match[0])

    return _ESCAPE.sub(replace, text) + enter


class _Runner:
    VERBS = {"send", "expect", "refuse", "pause", "check", "ended", "repeat"}

    def __init__(self, console, rounds, first, on_round):
        self.console, self.on_round = console, on_round
        self.variables = {"rounds": str(rounds), "first": str(first)}

    def _fill(self, text, quote=lambda value: value):
        return _VARIABLE.sub(lambda m: quote(self.variables[m[1]]) if m[1] in self.variables else m[0], text)

    def steps(self, steps):
        for step in steps:
            try:
                getattr(self, "_" + step.verb)(step)
            except TimedOut:
                self._fail(step, "not seen in time")
            except Ended:
                self._fail(step, f"QEMU ended with status {self.console.status}")
            except Refused as refused:
                raise ScriptFailure(self._report(str(refused))) from refused

    def _report(self, text):
        last = "\n".join("  | " + line for line in self.console.last_lines(REPORTED_LINES))
        return f"{text}\nthe last output:\n{last}"

    def _fail(self, step, why):
        raise ScriptFailure(self._report(f"line {step.line}: {why}: {self._fill(step.text)}"))

    def _send(self, step):
        self.console.type(unescape(self._fill(step.text)))

    def _expect(self, step):
        pattern = re.compile(self._fill(step.text, re.escape), re.MULTILINE)
        match = self.console.expect(pattern, step.seconds or EXPECT_SECONDS)
        self.variables.update({k: v for k, v in match.groupdict().items() if v is not None})

    def _refuse(self, step):
        self.console.refuse(re.compile(self._fill(step.text, re.escape), re.MULTILINE), step.line)

    def _pause(self, step):
        self.console.watch(float(step.text))

    def _check(self, step):
        try:
            if holds(self._fill(step.text)):
                return
        except (ValueError, ZeroDivisionError) as error:
            self._fail(step, str(error))
        self._fail(step, "does not hold")

    def _ended(self, step):
        status = self.console.wait_end(step.seconds or EXPECT_SECONDS)
        if step.text and status != int(step.text):
            self._fail(step, f"QEMU ended with status {status}, not with")

    def _repeat(self, step):
        count, _, name = step.text.partition(" ")
        name = name.strip() or "i"
        counts_rounds = count == ROUNDS
        base = int(self.variables["first"]) if counts_rounds else 0
        filled = self._fill(count)
        if not filled.isdigit():
            self._fail(step, "not a number")
        for turn in range(base + 1, base + int(filled) + 1):
            self.variables[name] = str(turn)
            self.steps(step.body)
            if counts_rounds:
                self.on_round(turn)


def run(console, steps, rounds=1, first=0, on_round=lambda turn: None):
    """Goes through the steps.  Raises ScriptFailure with the line, the reason and the end of the output."""
    _Runner(console, rounds, first, on_round).steps(steps)
