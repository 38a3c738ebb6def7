#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Finds a shorter run of the simulation that fails by the same rule as a given one.

Fewer steps first (a run's steps do not depend on how many follow), then fewer CPUs, no
interleaving, groups of operations switched off one by one, and at last steps left out: ddmin
(Zeller, Hildebrandt 2002) over the step numbers. Each trial is a process of its own with a limit of
time. Prints the shortest command and what it says.
"""
import argparse
import re
import subprocess
import sys

GROUPS = 14  # at most; a bit without a group changes nothing


class Trial:
    """A command line, and how the run it makes ends."""

    def __init__(self, program, seed, seconds):
        self.program, self.seed, self.seconds = program, seed, seconds
        self.count = 0

    def command(self, options):
        words = [self.program, "--seed", str(self.seed), "--steps", str(options["steps"])]
        if options["cpus"]:
            words += ["--cpus", str(options["cpus"])]
        if options["serial"]:
            words += ["--serial"]
        if options["each"]:
            words += ["--each"]
        if options["off"]:
            words += ["--off", hex(options["off"])]
        if options["skip"]:
            words += ["--skip", ranges(options["skip"])]
        return words

    def run(self, options, verbose=False):
        self.count += 1
        words = self.command(options) + (["--verbose"] if verbose else [])
        try:
            done = subprocess.run(words, capture_output=True, text=True, errors="replace",
                                  timeout=self.seconds)
        except subprocess.TimeoutExpired:
            return "no end", 0, ""
        return fault_of(done)


def fault_of(done):
    """The rule that broke, None when the run passed; the step at which; everything said."""
    said = done.stdout + done.stderr
    if done.returncode == 0:
        return None, 0, said
    rule = re.search(r"^FAILED seed \d+ step (\d+): ([^:]*)", said, re.M)
    if rule:
        return rule[2], int(rule[1]), said
    sanitizer = re.search(r"^SUMMARY: (\S+: \S+) \S+ in (\S+)", said, re.M)
    if sanitizer:
        return " in ".join(sanitizer.groups()), 0, said
    error = re.search(r"runtime error: ([a-z ]*)", said)
    return (error[1] if error else f"status {done.returncode}"), 0, said


def ranges(numbers):
    """1,2,3,7 as "1-3,7"."""
    parts, numbers = [], sorted(numbers)
    for n in numbers:
        if parts and parts[-1][1] == n - 1:
            parts[-1][1] = n
        else:
            parts.append([n, n])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


class Shrinker:
    def __init__(self, trial, options, rule, limit):
        self.trial, self.options, self.rule, self.limit = trial, options, rule, limit

    def fails(self, **changes):
        """Does it fail by the same rule with these changes? Then they stay."""
        if self.trial.count >= self.limit:
            return False
        options = {**self.options, **changes}
        rule, step, _ = self.trial.run(options)
        if rule != self.rule:
            return False
        if 0 < step < options["steps"]:
            options["steps"] = step
        self.options = options
        print(f"  fails still: {' '.join(self.trial.command(options)[1:])}", flush=True)
        return True

    def fewer_steps(self):
        low = 0
        while low + 1 < self.options["steps"] and self.trial.count < self.limit:
            middle = (low + self.options["steps"]) // 2
            if not self.fails(steps=middle):
                low = middle

    def simpler_machine(self):
        for cpus in (1, 2, 3, 4, 8):
            if self.fails(cpus=cpus):
                break
        self.fails(serial=True)
        self.fails(each=True)

    def fewer_groups(self):
        for group in range(GROUPS):
            self.fails(off=self.options["off"] | 1 << group)

    def fewer_kept(self):
        """ddmin: leaves out as many of the steps as it can."""
        parts = 2
        while self.trial.count < self.limit:
            kept = [n for n in range(1, self.options["steps"] + 1) if n not in self.options["skip"]]
            size = max(1, len(kept) // parts)
            pieces = [kept[i:i + size] for i in range(0, len(kept), size)]
            if any(self.fails(skip=self.options["skip"] | set(p)) for p in pieces):
                parts = max(2, parts - 1)
            elif size == 1:
                return
            else:
                parts = min(len(kept), parts * 2)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default="build/sim/sim")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seconds", type=int, default=20, help="limit of one trial")
    parser.add_argument("--trials", type=int, default=400, help="limit of all")
    args = parser.parse_args()

    trial = Trial(args.program, args.seed, args.seconds)
    options = {"steps": args.steps, "cpus": 0, "serial": False, "each": False, "off": 0,
               "skip": set()}
    rule, step, _ = trial.run(options)
    if rule is None:
        sys.exit(f"shrink: seed {args.seed} does not fail in {args.steps} steps")
    print(f"shrink: seed {args.seed}: {rule}", flush=True)
    options["steps"] = min(options["steps"], step or options["steps"])
    shrinker = Shrinker(trial, options, rule, args.trials)
    shrinker.fewer_steps()
    shrinker.simpler_machine()
    shrinker.fewer_groups()
    shrinker.fewer_steps()
    shrinker.fewer_kept()
    print(trial.run(shrinker.options, verbose=True)[2])
    left = shrinker.options["steps"] - len(shrinker.options["skip"])
    print(f"shrink: {left} steps left after {trial.count} trials:")
    print(" ".join(trial.command(shrinker.options)))


if __name__ == "__main__":
    main()
