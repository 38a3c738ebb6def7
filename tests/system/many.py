# SPDX-License-Identifier: MIT
"""Many guests of xl's: Debian's kernel in several at once, and guests of a page of code (tiny.py) created
and destroyed one after the other in each state; all memory comes back."""
import tiny
from harness import Scenario, between, equal

# what the guest does, xl create's arguments, what the state is to look like
STATES = [("s", "-p", "--p---"), ("s", "", "(r|-)-----"), ("b", "", "-b----"), ("0", "", "---s--"),
          ("c", "", "---sc-")]

PRELUDE = """
. /demo/lib
in_state() { xl list $1 | awk 'NR == 2 { print $5 }' | grep -Eqx -e "$2"; }
cycle() { # command line of the guest, xl create's arguments, state
    config tiny "kernel='/kr/tiny'" "ramdisk=''" "memory=8" "extra='$1'" "on_poweroff='preserve'" \\
        "on_crash='preserve'"
    xl create -q $2 /tmp/tiny.cfg && await 20 in_state tiny "$3" && xl destroy tiny || echo "failed: $*"
}
round() { %s; }
guests() { for n in $(seq $1); do echo guest$n; done; }
told() { # each guest's answer to a sum only it is asked for
    for name in $(guests $1); do tell $name "echo $name: \\$((${name#guest} * 7))"; done
}
""" % "; ".join('cycle %s "%s" "%s"' % state for state in STATES)


class XlCycles(Scenario):
    TITLE = "xl-cycles"
    GUESTS = True
    PRELUDE = PRELUDE
    TIMEOUT_S = 300
    ROUNDS = 12

    @property
    def SCRIPT(self):  # noqa: N802, a constant to everybody else
        return {
            "first": "round",
            "free-before": "free_pages",
            "cycles": "for n in $(seq %d); do round; done" % self.ROUNDS,
            "free-after": "free_pages",
            "ids": "xl list; cycle s -p --p---; xl create -q -p /tmp/tiny.cfg; xl domid tiny",
        }

    def options(self):
        options = super().options()
        options.files["tiny"] = tiny.kernel()
        return options

    def check_every_state(self):
        equal([line for line in self.words("first") + self.words("cycles") if "failed" in line], [],
              "complaints")

    def check_no_domain_is_left(self):
        equal(len([line for line in self.words("ids") if line.startswith("(null)")]), 0, "zombies")

    def check_domain_ids_go_on(self):
        equal(self.words("ids")[-1], str((1 + self.ROUNDS) * len(STATES) + 2), "the next domain's ID")

    def check_no_memory_is_lost(self):
        equal(self.words("free-after"), self.words("free-before"), "free pages")


class XlCyclesLong(XlCycles):
    TITLE = "xl-cycles-long"
    LONG = True
    TIMEOUT_S = 3600
    ROUNDS = 100


class LinuxGuests(Scenario):
    """Several guests with Debian's kernel, alive at the same time."""
    TITLE = "many-linux"
    GUESTS = True
    PRELUDE = PRELUDE
    COUNT, MIB = 5, 128
    TIMEOUT_S = 600

    @property
    def SCRIPT(self):  # noqa: N802
        return {
            # dom0's own tables grow with the first ones
            "first": "for name in $(guests %d); do config $name \"memory=%d\"; xl create -q -p /tmp/$name.cfg; "
                     "done; for name in $(guests %d); do xl destroy $name; done"
                     % (self.COUNT, self.MIB, self.COUNT),
            "free-before": "free_pages",
            "start": "for name in $(guests %d); do start $name || echo failed: $name; done" % self.COUNT,
            "list": "xl list",
            "told": "told %d" % self.COUNT,
            "destroy": "for name in $(guests %d); do xl destroy $name; done; xl list" % self.COUNT,
            "free-after": "free_pages",
        }

    def check_all_start(self):
        equal(self.words("start"), [], "complaints")

    def check_all_are_listed(self):
        rows = [line.split() for line in self.words("list") if line.startswith("guest")]
        equal(len(rows), self.COUNT, "guests in the list")
        for row in rows:
            equal(row[2], str(self.MIB), "MiB of " + row[0])

    def check_all_answer(self):
        equal([line for line in self.words("told") if line.startswith("guest")],
              ["guest%d: %d" % (n, 7 * n) for n in range(1, self.COUNT + 1)], "answers")

    def check_no_domain_is_left(self):
        between(len(self.words("destroy")), 2, 2, "lines of xl list")

    def check_no_memory_is_lost(self):
        equal(self.words("free-after"), self.words("free-before"), "free pages")


class LinuxGuestsLong(LinuxGuests):
    TITLE = "many-linux-long"
    LONG = True
    COUNT, MEM = 30, 16384
    TIMEOUT_S = 3600
