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
import re
import subprocess
import sys

# Where guests' arguments are decoded and refused.
LAYER = re.compile(r"^core/(hypercall|multicall|version|\w+_op|control/\w+)\.c$")
ERROR_RETURN = re.compile(r"\breturn\b[^;]*-E[A-Z0-9]+\b")
WORST_COUNT = 12


class Line:
    """Executions of a line, and of each way out of its conditions."""

    def __init__(self):
        self.count, self.ways = 0, {}

    def add(self, line):
        self.count += line["count"]
        for number, branch in enumerate(line["branches"]):
            if not branch.get("throw"):
                self.ways[number] = self.ways.get(number, 0) + branch["count"]


def gcovr(build):
    """Lines by file and number, summed over all programs."""
    command = ["gcovr", "--root", ".", "--filter", "core/", "--filter", "lib/", "--filter", "arch/x86/",
               "--gcov-ignore-parse-errors", "--json", "-", build]
    report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL, timeout=600).stdout)
    files = {}
    for file in report["files"]:
        lines = files.setdefault(os.path.relpath(file["file"]), {})
        for line in file["lines"]:
            if not line.get("gcovr/noncode"):
                lines.setdefault(line["line_number"], Line()).add(line)
    return files


def percent(lines):
    lines = list(lines)
    return 100.0 * sum(1 for line in lines if line.count) / len(lines) if lines else 100.0


def statement(text, number):
    """The source from this line to the end of its statement."""
    end = number - 1
    while end < len(text) - 1 and ";" not in text[end]:
        end += 1
    return " ".join(part.strip() for part in text[number - 1:end + 1])


def missed_errors(path, lines):
    """Error returns that were never executed: `return -E…`, and `return c ? … : -E…` of which one way
    was never taken."""
    with open(path, encoding="utf-8") as file:
        text = file.read().split("\n")
    for number, line in sorted(lines.items()):
        words = statement(text, number)
        if not re.match(r"\s*(\S.*:\s*)?return\b", text[number - 1]) or not ERROR_RETURN.search(words):
            continue
        if line.count == 0 or ("?" in words and 0 in line.ways.values()):
            yield number, words


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build")
    parser.add_argument("--minimum", type=float, default=85.0)
    options = parser.parse_args()
    files = gcovr(options.build)
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
