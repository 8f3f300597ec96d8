# SPDX-License-Identifier: Apache-2.0
"""clang-tidy over the files of a CMake build folder.

What was clean and has not changed since, headers included, is not looked at again.

Most of clang-tidy's time goes into headers of libraries, once for each file that includes them. So several files are looked at as one that
includes them all, which takes a fifth of the time. Where that says anything, or the files can not be compiled together, its halves are
looked at, and at last a file by itself: only what is said of it there counts.
"""
import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import subprocess
import tempfile
from pathlib import Path

from paths import BUILD, ROOT
from progress import items

STATE = BUILD / "tidy"


def _dependencies(folder):
    """{object: files of this repository that it was compiled from}, as ninja knows them."""
    shown = subprocess.run(["ninja", "-C", str(folder), "-t", "deps"], capture_output=True, text=True, check=True).stdout
    result = {}
    for block in re.split(r"\n\s*\n", shown):
        head, *lines = block.splitlines() or [""]
        paths = [(folder / line.strip()).resolve() for line in lines]
        result[head.split(":")[0]] = sorted(p for p in paths if p.is_relative_to(ROOT) and p.is_file())
    return result


def _fingerprint(command, files):
    parts = [command.encode(), *(path.read_bytes() for path in [*sorted(ROOT.rglob(".clang-tidy")), *files])]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


_COMPLAINT = re.compile(r"^/.*?:\d+:\d+: (?:error|warning): ", re.MULTILINE)


def _complaints(text):
    """What clang-tidy said, one text per mistake, without this clone's path."""
    starts = [match.start() for match in _COMPLAINT.finditer(text)]
    parts = [text[a:b].strip() for a, b in zip(starts, [*starts[1:], None])] or [text]
    return [part.replace(f"{ROOT}/", "") for part in parts]


def _left_out(source):
    """Checks that a file is spared. Each expectation of GoogleTest's doubles the paths that the analyzer follows: it gives up after most of the
    time of all, having seen little. What it would find in a test, the sanitizers find when the test runs."""
    return ["-clang-analyzer-*"] if source.is_relative_to(ROOT / "tests") else []


def _look(folder, source):
    """What clang-tidy says of one file, or "" """
    command = ["clang-tidy", "--quiet", f"--checks={','.join(_left_out(source))}", "-p", str(folder), str(source)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else (done.stdout.strip() or done.stderr.strip())


FILES_TOGETHER = 12

# What is declared in a file: two files that share such a name are not put together. It need not be exact.
_NAMES = re.compile(r"""^(?:TEST|TEST_F|TEST_P)\(([^)]*)\)                        # a test
                        |^(?:class|struct|enum\ class|enum|union|using)\s+(\w+)
                        |^[^\s/(]*(?:const|constexpr)\ .*?(\bk[A-Z]\w*)\[?\s*[\w\]]*\s*[={]  # a constant
                        |^(?!TEST|else|return|PYRENE|\s)(?:[\w:<>,&*\[\]\ ]+[\ &*])?([A-Za-z_]\w*)\(  # a function
                        |^\#define\s+(\w+)
                     """, re.MULTILINE | re.VERBOSE)

# What each fuzz target has.
_RENAMED = ("LLVMFuzzerTestOneInput", "LLVMFuzzerCustomMutator", "LLVMFuzzerCustomCrossOver", "TheMutator")


def _flags(command):
    """The options of a compiler's command line that matter to clang-tidy."""
    words = shlex.split(command)
    first = next(at for at, word in enumerate(words) if "++" in Path(word).name) + 1   # behind a launcher, if there is one
    options = re.sub(r" -[oc] \S+", "", " " + shlex.join(words[first:])).split()
    return tuple(option for option in options if not re.match("-O|-fprofile-|-fcoverage-", option))


def _groups(commands):
    """[(flags, files)] of {file: command}: files of the same flags and checks that share no names, as far as one can see."""
    groups = []   # [flags, files, names]
    for source, command in sorted(commands.items()):
        flags, names = _flags(command), {name for match in _NAMES.findall(source.read_text()) for name in match if name}
        for group in groups:
            if (group[0] == flags and _left_out(group[1][0]) == _left_out(source) and len(group[1]) < FILES_TOGETHER and
                    not names & group[2]):
                group[1].append(source)
                group[2] |= names
                break
        else:
            groups.append([flags, [source], names])
    return [(flags, files) for flags, files, _ in groups]


def _together(sources):
    lines = []
    for at, source in enumerate(sources):
        for name in _RENAMED:
            lines += [f"#undef {name}", f"#define {name} {name}{at}"]
        lines.append(f'#include "{source}"')
    return "\n".join([*lines, ""])


def _are_clean(flags, sources):
    """Whether the files can be looked at as one, and nothing is said of them."""
    header_filter = re.search(r"^HeaderFilterRegex: '(.*)'$", (ROOT / ".clang-tidy").read_text(), re.MULTILINE)[1]
    with tempfile.TemporaryDirectory(dir=STATE) as folder:
        whole = Path(folder) / "UnifiedSource.cc"   # a name by which clang's analyzer knows that included files are sources, too
        whole.write_text(_together(sources))
        command = ["clang-tidy", "--quiet", "--checks=" + ",".join(["-bugprone-suspicious-include", *_left_out(sources[0])]),
                   "--header-filter", header_filter.replace(r"\.h$", r"\.(h|cc)$"), str(whole), "--", *flags]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).returncode == 0


_USING = re.compile(r"^using [\w:]+::(\w+);|^namespace (\w+) = ", re.MULTILINE)


def _unused_names(source):
    """Names that a file takes from another namespace for nothing, which clang-tidy tells of the main file only."""
    text = source.read_text()
    names = [name for match in _USING.findall(text) for name in match if name]
    return [name for name in names if len(re.findall(rf"\b{name}\b", text)) == 1]


def _complaints_of(folder, flags, sources):
    """{file: what is said of it}"""
    if len(sources) == 1:
        return {sources[0]: _look(folder, sources[0])}
    if not any(map(_unused_names, sources)) and _are_clean(flags, sources):
        return dict.fromkeys(sources, "")
    half = len(sources) // 2
    return _complaints_of(folder, flags, sources[:half]) | _complaints_of(folder, flags, sources[half:])


def check(folder, log):
    """Returns what is wrong; a mistake in a header is told once."""
    STATE.mkdir(parents=True, exist_ok=True)
    dependencies = _dependencies(folder)
    marks, commands = {}, {}
    for entry in json.loads((folder / "compile_commands.json").read_text()):
        source = Path(entry["file"])
        if source.is_relative_to(BUILD):
            continue
        compiled = re.search(r" -o (\S+)", entry["command"])[1]
        mark = STATE / _fingerprint(entry["command"], dependencies.get(compiled, [source]))
        if not mark.exists():
            marks[source], commands[source] = mark, entry["command"]
    groups = _groups(commands)
    log.write(f"{len(commands)} files are new or changed, {len(groups)} groups\n")
    complaints = {}   # used as an ordered set
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = {pool.submit(_complaints_of, folder, *group): [str(path.relative_to(ROOT)) for path in group[1]] for group in groups}
        try:
            for future in items("clang-tidy", concurrent.futures.as_completed(results)):
                for source, text in future.result().items():
                    if text:
                        complaints.update(dict.fromkeys(_complaints(text)))
                    else:
                        marks[source].touch()
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise
    return list(complaints)
