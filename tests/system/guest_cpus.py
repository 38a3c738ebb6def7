# SPDX-License-Identifier: MIT
"""A PV guest with several vCPUs: made with four, taken away and given back while it runs, told apart, and
seen by gdb in a dump."""
import os
import re
import subprocess
import sys

from harness import ROOT, Failure, Scenario, equal, true

sys.path.insert(0, os.path.join(ROOT, "tools", "gdb"))
import xencore  # noqa: E402

DISK_MIB = 256

PRELUDE = """
. /demo/lib
gone() { ! xl domid "$1"; }
cpus() { tell "$1" nproc; }
traced() { [ "$(tell g1 'dmesg | grep -c NMI.backtrace')" -ge 4 ]; }
has_cpus() { [ "$(cpus $1)" = $2 ]; }
sys=/sys/devices/system/cpu
"""
ON_EACH = "for n in 0 1 2 3; do taskset -c $n awk \"{ print \\$39 }\" /proc/self/stat; done"


class GuestCpus(Scenario):
    TITLE = "guest-cpus"
    GUESTS = True
    PRELUDE = PRELUDE
    TIMEOUT_S = 600
    SCRIPT = {
        # dom0's first guest makes the hypervisor keep a few pages for dom0's own tables
        "first": "config first memory=128; start first; xl destroy first; await 30 alone",
        "free-before": "free_pages",
        "create": "config g1 vcpus=4; start g1; grep '^guest: up' $logs/guest-g1.log; xl list g1; xl vcpu-list g1",
        "each": "tell g1 '%s'" % ON_EACH,
        "backtrace": "tell g1 'echo l >/proc/sysrq-trigger'; await 20 traced; tell g1 'dmesg | grep NMI.backtrace'",
        "nmi": "tell g1 'grep NMI: /proc/interrupts'; xl trigger g1 nmi 3; "
               "tell g1 'sleep 1; grep NMI: /proc/interrupts'; xl trigger g1 nmi 4 || echo refused",
        "no-trigger": "for t in power sleep init reset s3resume; do xl trigger g1 $t; done 2>&1 | cut -c1-200",
        "pin": "xl vcpu-pin g1 2 0 0 && xl vcpu-pin g1 all 0 && xl vcpu-list g1; xl vcpu-pin g1 4 0 || echo refused; "
               "xl vcpu-pin g1 1 9 || echo refused",
        "dump": "xl dump-core g1 /tmp/core && dd if=/tmp/core of=/dev/nvme0n1 bs=1M conv=fsync 2>/dev/null && "
                "stat -c %s /tmp/core; rm /tmp/core; xl list g1",
        "down": "xl vcpu-set g1 1; await 20 has_cpus g1 1; cpus g1; xl vcpu-list g1; xl list g1",
        # the kernel leaves it to its user space to use what it was given
        "up": "xl vcpu-set -i g1 3; await 20 tell g1 \"test -e $sys/cpu2/online\"; "
              "tell g1 \"for n in 1 2; do echo 1 >$sys/cpu\\$n/online; done; nproc\"; xl vcpu-list g1",
        "too-many": "xl vcpu-set g1 4 || echo refused; xl vcpu-set -i g1 5 || echo refused",
        "destroy": "tell g1 'for n in 1 2 3 4; do while :; do :; done & done'; xl list g1; xl destroy g1; "
                   "gone g1 && echo gone",
        "most": "config g2 vcpus=1 maxvcpus=3; start g2; cpus g2; xl vcpu-list g2; xl list g2; xl list -l g2; "
                "xl destroy g2; gone g2 && echo gone",
        "free-after": "free_pages",
        "kernel-log": "dmesg",
    }

    def prepare(self):
        self.core = self.context.path("guest-cpus.core")
        with open(self.core, "wb") as file:
            file.truncate(DISK_MIB << 20)
        self.DISKS = [self.core]
        self.gdb_said = None

    def drive(self, guest):
        super().drive(guest)
        size = [line for line in self.words("dump") if line.isdigit()]
        os.truncate(self.core, int(size[0]) if size else 0)

    def gdb(self):
        """What gdb makes of the dump; the file goes."""
        if self.gdb_said is None:
            try:
                self.counts = xencore.convert(self.core)
                run = subprocess.run(
                    ["gdb", "-nx", "-batch", "-ex", "info threads", "-ex", "thread apply all x/i $rip-2",
                     "-ex", "thread apply all x/4gx $rsp", "-c", self.core],
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
                self.gdb_said = run.stdout
            except xencore.Error as error:
                raise Failure("the dump: %s" % error) from error
            finally:
                os.unlink(self.core)
        return self.gdb_said

    def vcpus(self, key, name="g1"):
        """Rows of xl vcpu-list."""
        return [line.split() for line in self.words(key) if line.startswith(name + " ") and " / " in line]

    def online(self, key, name="g1"):
        return [row[3] != "-" for row in self.vcpus(key, name)]

    def check_four(self):
        self.said["create"].find(r"^guest: up, Linux 6\.1\S*, 4 CPU, 1\d\d MiB$")
        equal(self.online("create"), [True] * 4, "vCPUs that run")
        true(all(float(row[5]) > 0 for row in self.vcpus("create")), "no time used: %s" % self.vcpus("create"))

    def check_programs_run_on_each(self):
        equal(self.words("each"), ["0", "1", "2", "3"], "CPUs that they say they run on")

    def check_nmi_from_one_to_the_others(self):
        seen = set(re.findall(r"NMI backtrace for cpu (\d)", self.said["backtrace"].text))
        equal(seen, {"0", "1", "2", "3"}, "CPUs in the backtrace")

    def check_nmi_reaches_one(self):
        before, after = ([int(n) for n in row[1:5]] for row in self.said["nmi"].rows() if row[0] == "NMI:")
        equal([new - old for old, new in zip(before, after)], [0, 0, 0, 1], "NMIs of each CPU")

    def check_other_triggers_are_refused(self):
        equal(re.findall(r"Send trigger '(\w+)' failed", self.said["no-trigger"].text),
              ["power", "sleep", "init", "reset", "s3resume"], "triggers refused")

    def check_pin(self):
        equal([line for line in self.words("pin") if line == "refused"], ["refused"] * 2, "vCPU 4, CPU 9")
        equal(len(self.vcpus("pin")), 4, "vCPUs in the list")

    def check_dump_opens_in_gdb(self):
        said = self.gdb()
        equal(self.counts[0], 4, "vCPUs in the dump")
        equal(len(re.findall(r"^[* ] +\d +LWP \d +0xffffffff8", said, re.M)), 4,
              "threads in the kernel's text by gdb:\n%s\n" % said)

    def check_dump_shows_instructions_and_stacks(self):
        said = self.gdb()
        # an idle vCPU stands behind the instruction of its hypercall
        equal(len(re.findall(r"^ +0xffffffff8[0-9a-f]+:\tsyscall", said, re.M)), 4, "hypercalls in:\n%s\n" % said)
        # whose page pushes a few registers on top of the return address
        stacks = [text for text in said.split("\nThread ") if re.search(r"^0xffff[0-9a-f]+:\t", text, re.M)]
        equal([bool(re.search(r"\t0xffffffff8[0-9a-f]{7}\b", text)) for text in stacks], [True] * 4,
              "return addresses in:\n%s\n" % said)

    def check_guest_goes_on_after_the_dump(self):
        rows = [line.split() for line in self.words("dump") if line.startswith("g1 ")]
        true(rows[0][4] in ("-b----", "r-----"), "state: %s" % rows)

    def check_down(self):
        equal(self.words("down")[0], "1", "CPUs in the guest")
        equal(self.online("down"), [True, False, False, False], "vCPUs that run")
        true(all(row[4] == "--p" for row in self.vcpus("down")[1:]), "states: %s" % self.vcpus("down"))

    def check_up(self):
        true("3" in self.words("up"), "CPUs in the guest: %s" % self.words("up"))
        equal(self.online("up"), [True, True, True, False], "vCPUs that run")

    def check_more_than_there_are(self):
        equal(self.words("too-many").count("refused"), 2, "4 on one CPU, 5 of 4,")

    def check_destroy(self):
        equal(self.words("destroy")[-1], "gone", "after xl destroy")

    def check_maxvcpus(self):
        equal(self.words("most")[0], "1", "CPUs in the guest")
        equal(self.online("most", "g2"), [True, False, False], "vCPUs that run")
        self.said["most"].find(r'"max_vcpus": 3')
        equal(self.words("most")[-1], "gone", "after xl destroy")

    def check_no_memory_is_lost(self):
        equal(self.words("free-after"), self.words("free-before"), "free pages")

    def check_kernel_log_is_clean(self):
        bad = [line for line in self.words("kernel-log") if re.search(
            r"BUG|Oops|WARNING:|Call Trace|general protection|soft lockup|unable to handle|rcu.*stall", line)]
        equal(bad, [], "lines of the kernel's log")
