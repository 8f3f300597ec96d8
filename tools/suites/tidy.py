# SPDX-License-Identifier: Apache-2.0
"""clang-tidy over the files of a CMake build folder.

What was clean and has not changed since, headers included, is not looked at again.
"""
import concurrent.futures
import hashlib
import json
import os
import re
import subprocess
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


def _look(folder, source):
    """What clang-tidy says of one file, or "" """
    command = ["clang-tidy", "--quiet", "-p", str(folder), str(source)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else (done.stdout.strip() or done.stderr.strip())


def check(folder, log):
    """Returns what is wrong; a mistake in a header is told once."""
    STATE.mkdir(parents=True, exist_ok=True)
    dependencies = _dependencies(folder)
    todo = {}
    for entry in json.loads((folder / "compile_commands.json").read_text()):
        source = Path(entry["file"])
        if source.is_relative_to(BUILD):
            continue
        compiled = re.search(r" -o (\S+)", entry["command"])[1]
        mark = STATE / _fingerprint(entry["command"], dependencies.get(compiled, [source]))
        if not mark.exists():
            todo[source] = mark
    log.write(f"{len(todo)} files are new or changed\n")
    complaints = {}   # used as an ordered set
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = {pool.submit(_look, folder, source): source for source in todo}
        try:
            for future in items("clang-tidy", concurrent.futures.as_completed(results)):
                text = future.result()
                if text:
                    complaints.update(dict.fromkeys(_complaints(text)))
                else:
                    todo[results[future]].touch()
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise
    return list(complaints)
