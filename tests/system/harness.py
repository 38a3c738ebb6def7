# SPDX-License-Identifier: MIT
"""A small runner for tests that boot a machine: few boots, many checks on each.

A test file defines subclasses of Scenario. A scenario is one boot of the Debian dom0: SCRIPT names
shell commands that run in dom0 one after the other, check_* methods look at what they said. Each
check_* method is one test. Scenarios that do not boot to a command override run().
"""
import collections
import concurrent.futures
import os
import re
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tools"))
from krtools import machine  # noqa: E402
from krtools.guest import Ended, Guest, Timeout, plain  # noqa: E402,F401

BOOT_S = 120
POWER_OFF_S = 20


class Failure(Exception):
    """A check found something else than it wants."""


class Skip(Exception):
    """A check has no meaning with this hypervisor."""


class Said:
    """What one command of a script printed, and its status."""

    def __init__(self, text, status):
        self.text, self.status = text, status

    def lines(self):
        return [line for line in self.text.split("\n") if line.strip()]

    def rows(self):
        """The words of every line."""
        return [line.split() for line in self.lines()]

    def fields(self):
        """"name : value" lines as a dictionary."""
        return dict(re.findall(r"^(\S+)\s*: ?(.*?) *$", self.text, re.M))

    def find(self, pattern):
        match = re.search(pattern, self.text, re.M)
        if not match:
            raise Failure("no %r in:\n%s" % (pattern, excerpt(self.text)))
        return match


def excerpt(text, lines=12):
    kept = text.rstrip("\n").split("\n")
    more = ["..."] if len(kept) > lines else []
    return "\n".join("        " + line for line in kept[:lines] + more)


def equal(found, wanted, what="value"):
    if found != wanted:
        raise Failure("%s is %r, wanted %r" % (what, found, wanted))


def between(found, low, high, what="value"):
    if not low <= found <= high:
        raise Failure("%s is %s, wanted %s to %s" % (what, found, low, high))


def true(condition, text):
    if not condition:
        raise Failure(text)


class Context:
    """What all scenarios share: the hypervisor under test and a folder for files."""

    def __init__(self, args, folder):
        self.args, self.folder = args, folder
        self.krypton = machine.is_krypton(machine.read_image(args.kernel))

    def path(self, name):
        return os.path.join(self.folder, name)


class Scenario:
    TITLE = ""
    SCRIPT = {}
    PRELUDE = ""  # shell text before the commands: functions for all of them
    GUESTS = False  # dom0 has what guests are made of
    STORE = ""  # the command of another store than xenstored
    ARCHIVES = ()  # put behind the initramfs besides: files beside it
    KRYPTON_ONLY = False
    LONG = False  # only in `make test-long`
    MEM, CPUS, MACHINE, CPU = 3072, 1, "pc", "max"
    XEN_ARGS = DOM0_ARGS = ""
    DISKS, NETS = (), ()
    QEMU_ARGS = ()
    TIMEOUT_S = 180
    ENDS = "guest-shutdown"  # how the machine is to end, in QEMU's words

    def __init__(self, context):
        self.context = context
        self.said = {}
        self.console = ""
        self.reason = None  # why QEMU says the machine ended

    # What a scenario may override

    def prepare(self):
        """Makes files before the boot."""

    def options(self):
        args = self.context.args
        cpu = self.CPU
        if not self.context.krypton:
            cpu += ",-smap"  # QEMU 7.2's SMAP kills the PV kernel on Debian's Xen
        files = {"command": self.PRELUDE + script_of(self.SCRIPT)}
        if self.STORE:
            files["store"] = self.STORE + "\n"
        return machine.Options(
            kernel=args.kernel, dom0_kernel=args.dom0_kernel, initrd=args.initrd, qemu=args.qemu,
            machine=self.MACHINE, cpu=cpu, cpus=self.CPUS, mem=self.MEM, disks=list(self.DISKS),
            nets=list(self.NETS), xen_args=self.XEN_ARGS, dom0_args=self.DOM0_ARGS,
            guests=args.guests if self.GUESTS else "", extra=list(self.QEMU_ARGS),
            archives=[os.path.join(os.path.dirname(args.initrd), name) for name in self.ARCHIVES],
            files=files)

    def run(self):
        with Guest(self.options(), monitor=True) as guest:
            try:
                self.drive(guest)
                self.reason = guest.end_reason(POWER_OFF_S)
            finally:
                self.keep(guest)

    def drive(self, guest):
        guest.marker("begin", BOOT_S)
        start = guest.seen
        guest.marker(r"end \d+", self.TIMEOUT_S)
        self.said = parse_script(guest.text(start, guest.seen))

    # Services

    def words(self, key):
        """What was said but for the hypervisor's own lines, which share the serial line."""
        return [line for line in self.said[key].lines() if not line.startswith("(XEN)")]

    def keep(self, guest):
        self.console = guest.text()
        with open(self.context.path(self.name() + ".log"), "w") as file:
            file.write(self.console)

    @classmethod
    def name(cls):
        return cls.TITLE or cls.__name__.lower()

    @classmethod
    def checks(cls):
        """Names of the check methods, in the order they were written, parents' first."""
        names = []
        for base in reversed(cls.__mro__):
            names += [name for name in vars(base) if name.startswith("check_") and name not in names]
        return [name for name in names if getattr(cls, name)]


def script_of(commands):
    out = []
    for name, command in commands.items():
        out.append("echo '@@ %s'\n(\n%s\n)\necho \"\n@@= $?\"\n" % (name, command.strip("\n")))
    return "".join(out)


def parse_script(text):
    parts = re.findall(r"^@@ (.+)\n((?:.*\n)*?)@@= (\d+)$", text, re.M)
    return {name: Said(body[:-1] if body.endswith("\n") else body, int(status))
            for name, body, status in parts}


class Runner:
    """Runs scenarios, several at a time, and reports them in their order."""

    def __init__(self, context, only, jobs):
        self.context, self.only, self.jobs = context, only, jobs

    def selected(self, kind, check):
        full = "%s/%s" % (kind.name(), check[len("check_"):])
        return not self.only or any(word in full for word in self.only)

    def run(self, kinds):
        work = [(kind, [name for name in kind.checks() if self.selected(kind, name)]) for kind in kinds]
        counts = collections.Counter()
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            for report in pool.map(lambda item: Report(self.context, *item).run(),
                                   [item for item in work if item[1]]):
                print("\n".join(report.lines), flush=True)
                counts += report.counts
        if counts["skip"]:
            print("%d skipped" % counts["skip"])
        print("%d passed, %d failed" % (counts["ok"], counts["FAIL"]))
        return 1 if counts["FAIL"] else 0


class Report:
    """One scenario: runs it and its checks, keeps what there is to say."""

    def __init__(self, context, kind, checks):
        self.kind, self.checks, self.lines = kind, checks, []
        self.scenario = kind(context)
        self.counts = collections.Counter()

    def run(self):
        if self.kind.KRYPTON_ONLY and not self.scenario.context.krypton:
            for name in self.checks:
                self.add("skip", name, "for Krypton only")
            return self
        start = time.monotonic()
        problem = self.boot()
        self.lines.append("-- %s: %.0f s" % (self.kind.name(), time.monotonic() - start))
        if problem:
            self.lines.append("   did not run: %s\n%s" % (problem, excerpt("\n".join(
                self.scenario.console.rstrip().split("\n")[-12:]))))
        for name in self.checks:
            self.add(*(("FAIL", name, "the scenario did not run") if problem else self.check(name)))
        return self

    def boot(self):
        """None, or why the scenario did not run."""
        try:
            self.scenario.prepare()
            self.scenario.run()
        except (Ended, Timeout, Failure, machine.Error, OSError) as error:
            return str(error) or type(error).__name__
        except Exception:  # a fault of the test itself is reported like any other
            return traceback.format_exc()
        return None

    def check(self, name):
        try:
            getattr(self.scenario, name)()
        except Skip as reason:
            return "skip", name, str(reason)
        except Failure as error:
            return "FAIL", name, str(error)
        except KeyError as error:
            return "FAIL", name, "nothing was said for %s" % error
        except Exception:
            return "FAIL", name, traceback.format_exc()
        return "ok", name, ""

    def add(self, result, name, text):
        self.counts[result] += 1
        self.lines.append("%-4s %s/%s%s" % (result, self.kind.name(), name[len("check_"):],
                                            ": " + text if text else ""))
