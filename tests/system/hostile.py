# SPDX-License-Identifier: MIT
"""Guests that mean harm (tests/guest/rogue), all at once, beside one whose disk must stay right.

The store is oxenstored: the other one, xenstored 4.17.7, ends with a failed assertion when a message
that should name a path is empty, whoever sent it, here and on Xen. The guest that scribbles over its ring
sends one sooner or later.
"""
import os

from harness import ROOT, Scenario, equal, true

MODES = ["crash", "spin", "ports", "fifo", "shared", "rings", "tables", "grants", "calls"]

PRELUDE = """
. /demo/lib
rogue() { # mode, seed: one that is started again whenever it ends
    config rogue-$1 "kernel='/kr/rogue'" "ramdisk=''" "memory=16" "cpu_weight=32" \\
        "extra='mode=$1 seed=$2'" "on_crash='restart'" "on_reboot='restart'" "on_poweroff='restart'"
    xl create -q /tmp/rogue-$1.cfg || echo "rogue $1 failed"
}
rogues() { for mode in %(modes)s; do rogue $mode $1; done; }
others() { xl list | awk 'NR > 1 && $1 != "Domain-0" && $1 != "victim" { print $2 }'; }
stop() { # whoever would start them again, then what there is
    killall -9 xl && sleep 1
    for id in $(others); do xl destroy $id; done
    [ -z "$(pidof xl)$(others)" ]
}
sum() { sha256sum <$1 | cut -d ' ' -f 1; }
check() { # in the guest: reads one disk, fills and reads the other
    tell victim 'sha256sum </dev/xvda; cat /dev/xvda >/dev/xvdb; sync; echo 3 >/proc/sys/vm/drop_caches;
        sha256sum </dev/xvdb; sha256sum </dev/xvda' 300 | cut -d ' ' -f 1
}
""" % {"modes": " ".join(MODES)}


class Hostile(Scenario):
    TITLE = "hostile"
    GUESTS = True
    STORE = "oxenstored"
    PRELUDE = PRELUDE
    TIMEOUT_S = 900
    ROUNDS, DISK_MIB = 1, 4
    KERNEL = os.path.join(ROOT, "build/guest/rogue.elf")

    @property
    def SCRIPT(self):  # noqa: N802, a constant to everybody else
        return {
            "disks": "head -c %d /dev/urandom >/tmp/a; head -c %d /dev/zero >/tmp/b; sum /tmp/a"
                     % ((self.DISK_MIB << 20,) * 2),
            "victim": "config victim \"disk=['/tmp/a,raw,xvda,w', '/tmp/b,raw,xvdb,w']\"; start victim; "
                      "xl sched-credit2 -d 0 -w 2048; xl sched-credit2 -d victim -w 1024",
            # with the first disk operations the tables of the victim's grants and dom0's mappings grow
            "first": "rogues 0; check; await 180 stop && echo stopped",
            "free-before": "sleep 1; free_pages",
            "checks": "".join("rogues %d; check; await 180 stop && echo stopped\n"
                              % (n + 1) for n in range(self.ROUNDS)),
            "free-after": "sleep 1; free_pages",
            "after": "tell victim 'echo alive'; xl destroy victim; sum /tmp/a; sum /tmp/b; others",
            "list": "xl list; dmesg",
        }

    def options(self):
        options = super().options()
        with open(self.KERNEL, "rb") as file:
            options.files["rogue"] = file.read()
        return options

    def check_all_start(self):
        equal([line for line in self.words("first") + self.words("checks") if "failed" in line], [],
              "complaints")

    def check_disk_sums(self):
        wanted = self.words("disks")[-1]
        sums = [line for line in self.words("first") + self.words("checks") if len(line) == len(wanted)]
        equal(sums, [wanted] * (3 * (1 + self.ROUNDS)), "sums")

    def check_disk_files(self):
        wanted = self.words("disks")[-1]
        equal(self.words("after"), ["alive", wanted, wanted], "the guest's word and sums of its disks")

    def check_all_can_be_stopped(self):
        equal((self.words("first") + self.words("checks")).count("stopped"), 1 + self.ROUNDS, "rounds")

    def check_no_memory_is_lost(self):
        equal(self.words("free-after"), self.words("free-before"), "free pages")

    def check_host_is_unharmed(self):
        lines = self.words("list")
        true(lines[1].startswith("Domain-0"), "xl list: %s" % lines[:3])
        bad = [line for line in lines if any(
            word in line for word in ("BUG", "Oops", "Call Trace", "general protection", "segfault"))]
        equal(bad, [], "lines of dom0's log")
        equal(self.reason, self.ENDS, "the machine's end")


class HostileLong(Hostile):
    TITLE = "hostile-long"
    LONG = True
    ROUNDS, DISK_MIB = 10, 32
    TIMEOUT_S = 3600
