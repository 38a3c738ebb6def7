#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Line coverage of core/ from what unit tests and the simulation have left in a build folder.

usage: coverage.py BUILD_FOLDER [--minimum PERCENT]

Prints lines executed per folder and the files that are least covered. Fails when core/ is below the
minimum, or when an error return of the hypercall layer was never executed.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys

FOLDERS = ("core/", "lib/", "arch/x86/")
# Where guests' arguments are decoded and refused.
LAYER = re.compile(r"^core/(hypercall|multicall|version|\w+_op|control/\w+)\.c$")
# `return -E…`, behind a label too, `rc = -E…` and `int rc = -E…`.
ERROR_START = re.compile(r"\s*(\S.*:\s*)?(return\b|(\w+ )*\w+ = )")
ERROR = re.compile(r"(\breturn\b|=)[^;=]*-E[A-Z0-9]+\b")
WORST_COUNT = 12


class Line:
    """Executions of a line, and of each way out of its conditions."""

    def __init__(self):
        self.count, self.ways = 0, {}

    def add(self, line):
        self.count += line["count"]
        for number, branch in enumerate(line["branches"]):
            self.ways[number] = self.ways.get(number, 0) + branch["count"]


def gcov(build):
    """Lines by file and number, summed over all programs."""
    counters = sorted(str(path) for path in pathlib.Path(build).rglob("*.gcda"))
    if not counters:
        sys.exit(f"{build}: no program has left counters there")
    output = subprocess.run(["gcov", "--json-format", "--stdout", "--branch-probabilities", *counters],
                            check=True, stdout=subprocess.PIPE, timeout=600).stdout
    files = {}
    for report in output.splitlines():
        for file in json.loads(report)["files"]:
            path = os.path.relpath(file["file"])
            if path.startswith(FOLDERS):
                lines = files.setdefault(path, {})
                for line in file["lines"]:
                    lines.setdefault(line["line_number"], Line()).add(line)
    return files


def percent(lines):
    lines = list(lines)
    return 100.0 * sum(1 for line in lines if line.count) / len(lines) if lines else 100.0


def statement_end(text, number):
    """The number of the line that ends the statement which begins in this one."""
    while number < len(text) and ";" not in text[number - 1]:
        number += 1
    return number


def missed_errors(path, lines):
    """Error returns that were never executed: `return -E…`, and `return c ? … : -E…` of which one way
    was never taken; or `rc =` in place of `return`."""
    with open(path, encoding="utf-8") as file:
        text = file.read().split("\n")
    for number in range(1, len(text) + 1):
        end = statement_end(text, number)
        words = " ".join(part.strip() for part in text[number - 1:end])
        parts = [lines[n] for n in range(number, end + 1) if n in lines]
        if not parts or not ERROR_START.match(text[number - 1]) or not ERROR.search(words):
            continue
        ways = [count for part in parts for count in part.ways.values()]
        if all(part.count == 0 for part in parts) or ("?" in words and (not ways or 0 in ways)):
            yield number, words


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build")
    parser.add_argument("--minimum", type=float, default=95.0)
    options = parser.parse_args()
    files = gcov(options.build)
    folders = {}
    for path, lines in files.items():
        folders.setdefault(os.path.dirname(path), []).extend(lines.values())
    for folder, lines in sorted(folders.items()):
        print(f"{folder:20} {percent(lines):5.1f} % of {len(lines)} lines")
    core = {path: lines for path, lines in files.items() if path.startswith("core/")}
    print("least covered:")
    for path in sorted(core, key=lambda p: percent(core[p].values()))[:WORST_COUNT]:
        print(f"  {path:32} {percent(core[path].values()):5.1f} %")
    missed = [(path, *place) for path in sorted(core) if LAYER.match(path)
              for place in missed_errors(path, core[path])]
    for path, number, text in missed:
        print(f"never returned: {path}:{number}: {text}")
    total = percent(line for lines in core.values() for line in lines.values())
    print(f"core/: {total:.1f} % of lines (at least {options.minimum:g}), "
          f"{len(missed)} error returns of the hypercall layer never executed (at most 0)")
    return 0 if total >= options.minimum and not missed else 1


if __name__ == "__main__":
    sys.exit(main())
