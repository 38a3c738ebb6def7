#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Plants faults in a copy of the hypervisor, one at a time, and counts how many the simulation finds.

usage: run.py [--runs N] [--only WORD]

A mutant is found when a run fails within N seeds, or when the allocation tests do. The working tree
stays as it is: everything happens in build/mutants. Ends with `N passed, N failed`, where failed are
the mutants that nobody noticed beyond those that the minimum allows.
"""
import argparse
import filecmp
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
COPY = os.path.join(ROOT, "build", "mutants")
SECONDS_MAX = 300
MINIMUM_PERCENT = 92  # 23 of 25


class Mutant:
    def __init__(self, block):
        lines = block.split("\n")
        self.path, self.what = lines[0].split(": ", 1)
        marked = {line[0]: line[1:].strip() for line in lines[1:] if line}
        self.old, self.new, self.function = marked["-"], marked["+"], marked.get("@")

    def apply(self, text):
        """The changed text: the line, in its function if that is named, must be there once."""
        lines = text.split("\n")
        first, last = 0, len(lines)
        if self.function:
            first = next(i for i, line in enumerate(lines)
                         if line.startswith(self.function) and not line.endswith(";"))
            last = next(i for i in range(first, len(lines)) if lines[i] == "}")
        places = [i for i in range(first, last) if lines[i].strip() == self.old]
        if len(places) != 1:
            sys.exit(f"{self.path}: {len(places)} lines `{self.old}` ({self.what})")
        lines[places[0]] = self.new
        return "\n".join(lines)


def mutants(only):
    with open(os.path.join(HERE, "mutants.txt"), encoding="utf-8") as file:
        text = "\n".join(line for line in file.read().split("\n") if not line.startswith("#"))
    found = [Mutant(block.strip("\n")) for block in re.split(r"\n\s*\n", text) if block.strip()]
    return [m for m in found if only in m.path + ": " + m.what]


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def copy_tree():
    """What git would take, so that the build starts from the present state of every file."""
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True,
                           stdout=subprocess.PIPE, text=True).stdout.split("\n")
    for name in files:
        source, target = os.path.join(ROOT, name), os.path.join(COPY, name)
        if not os.path.isfile(source) or (os.path.exists(target) and
                                          filecmp.cmp(source, target, shallow=False)):
            continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy(source, target)


def make(*goals):
    return subprocess.run(["make", "-s", "-j2", "--no-print-directory", *goals], cwd=COPY,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def first_words(output):
    for line in output.split("\n"):
        if "FAILED" in line or "runtime error" in line or "ERROR: AddressSanitizer" in line:
            return line.strip()[:110]
    return output.strip().split("\n")[-1][:110]


def try_mutant(runs):
    """How it was found; None: it was not."""
    built = make("build/sim/sim", "SIM_LENIENT=-Wno-error")
    if built.returncode:
        sys.exit(built.stdout)
    for command in (["--runs", str(runs), "--first-failure"], ["--faults"]):
        try:
            run = subprocess.run(["build/sim/sim", *command], cwd=COPY, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True, errors="replace",
                                 timeout=SECONDS_MAX, check=False)
        except subprocess.TimeoutExpired:
            return f"no end after {SECONDS_MAX} s"
        if run.returncode:
            return first_words(run.stdout)
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1500)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    all_mutants = mutants(options.only)
    copy_tree()
    for mutant in all_mutants:  # one that fits the code no longer is told of at once
        mutant.apply(read(os.path.join(COPY, mutant.path)))
    survivors = []
    for number, mutant in enumerate(all_mutants, 1):
        path = os.path.join(COPY, mutant.path)
        before = read(path)
        write(path, mutant.apply(before))
        how = try_mutant(options.runs)
        write(path, before)
        print(f"{number}/{len(all_mutants)} {mutant.path}: {mutant.what}\n"
              f"    {'found: ' + how if how else 'NOT FOUND'}", flush=True)
        if not how:
            survivors.append(mutant)
    found = len(all_mutants) - len(survivors)
    allowed = len(all_mutants) * (100 - MINIMUM_PERCENT) // 100
    print(f"mutants: {found} of {len(all_mutants)} found, at least {MINIMUM_PERCENT} % wanted")
    print(f"{found} passed, {max(0, len(survivors) - allowed)} failed")
    return 1 if len(survivors) > allowed else 0


if __name__ == "__main__":
    sys.exit(main())
