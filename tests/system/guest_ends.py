# SPDX-License-Identifier: MIT
"""What xl does when a guest ends: on_poweroff, on_reboot and on_crash with each action, in one boot, with
guests of a few pages (tiny.py)."""
import re

import tiny
from harness import Scenario, equal, true

# name: (command line of the guest, configuration)
STAYS = {
    "off-destroy": ("0", "on_poweroff='destroy'"),
    "off-preserve": ("0", "on_poweroff='preserve'"),
    "reboot-destroy": ("1", "on_reboot='destroy'"),
    "reboot-preserve": ("1", "on_reboot='preserve'"),
    "crash-default": ("c", ""),
    "crash-preserve": ("c", "on_crash='preserve'"),
    "crash-core": ("3", "on_crash='coredump-destroy'"),
    "watchdog-preserve": ("4", "on_watchdog='preserve'"),
}
LIVES_AGAIN = {
    "off-restart": ("0", "on_poweroff='restart'"),
    "reboot-default": ("1", ""),
    "crash-restart": ("3", "on_crash='restart'"),
    "crash-core-again": ("3", "on_crash='coredump-restart'"),
}

PRELUDE = """
. /demo/lib
tiny() { # name, its command line, configuration
    config $1 "kernel='/kr/tiny'" "ramdisk=''" "memory=8" "extra='$2'" "$3"
    xl create -q /tmp/$1.cfg || echo "$1 failed"
}
ids() { xl list | awk 'NR > 1 && $1 != "Domain-0" { print $1, $2, $5 }'; }
renamed() { ids | grep -q '^crash-rename-20' && ids | grep -q '^crash-rename [0-9]'; }
another() { another_id=$(xl domid $1 2>/dev/null) && [ $another_id != $2 ]; }
stop() { # whoever would start it again, then whatever there is of it
    killall xl 2>/dev/null
    ids | while read -r name id state; do
        case $name in $1*|*null*) xl destroy $id;; esac
    done
}
again() { # a guest that ends at once has to be seen with a second ID
    tiny "$@"
    again_first=
    until [ "$again_first" ]; do again_first=$(xl domid $1 2>/dev/null); done
    await 20 another $1 $again_first && echo "$1 lives again"
    stop $1
}
"""


class GuestEnds(Scenario):
    TITLE = "guest-ends"
    GUESTS = True
    PRELUDE = PRELUDE
    TIMEOUT_S = 600
    SCRIPT = {
        # dom0's first guest makes the hypervisor keep a few pages for dom0's own tables
        "first": "tiny first 0 ''; await 10 test -z \"$(ids)\"",
        "free-before": "free_pages",
        # all at once: most of the time is waiting
        "create": "".join('tiny %s %s "%s"\n' % (name, *how) for name, how in STAYS.items()),
        "ids": "await 20 test -e /var/lib/xen/dump/crash-core; sleep 3; ids",
        "again": "".join('again %s %s "%s"\n' % (name, *how) for name, how in LIVES_AGAIN.items()),
        "rename": "tiny crash-rename c \"on_crash='rename-restart'\"; await 20 renamed; ids; stop ''",
        "dumps": "ls -1 /var/lib/xen/dump",
        "end": "stop ''; sleep 1; xl list",
        "free-after": "free_pages",
    }

    def options(self):
        options = super().options()
        options.files["tiny"] = tiny.kernel()
        return options

    def words(self, key):
        """What was said but for the hypervisor's own lines, which share the serial line."""
        return [line for line in self.said[key].lines() if not line.startswith("(XEN)")]

    def gone(self, name):
        true(not any(row.startswith(name) for row in self.words("ids")), "%s is there" % name)

    def stands(self, name, state):
        states = [row.split()[2] for row in self.words("ids") if row.startswith(name + " ")]
        equal(states, [state], "states of " + name)

    def lives_again(self, name):
        true(name + " lives again" in self.words("again"), "%s has had no second life" % name)

    def check_create(self):
        equal(self.words("create"), [], "xl's words")

    def check_poweroff_destroy(self):
        self.gone("off-destroy")

    def check_poweroff_preserve(self):
        self.stands("off-preserve", "---s--")

    def check_poweroff_restart(self):
        self.lives_again("off-restart")

    def check_reboot_destroy(self):
        self.gone("reboot-destroy")

    def check_reboot_preserve(self):
        self.stands("reboot-preserve", "---sr-")

    def check_reboot_is_restart(self):
        self.lives_again("reboot-default")

    def check_crash_is_destroy(self):
        self.gone("crash-default")

    def check_crash_preserve(self):
        self.stands("crash-preserve", "---sc-")

    def check_crash_restart(self):
        self.lives_again("crash-restart")

    def check_crash_rename_restart(self):
        rows = self.words("rename")
        true(any(re.match(r"crash-rename-20\S* \d+ ---sc-$", row) for row in rows), "not renamed: %s" % rows)
        true(any(row.startswith("crash-rename ") for row in rows), "not started again: %s" % rows)

    def check_crash_coredump_destroy(self):
        # such a guest tells nobody where its pages are: the file stays empty
        true("crash-core" in self.words("dumps"), "no dump was tried")
        self.gone("crash-core")

    def check_crash_coredump_restart(self):
        true("crash-core-again" in self.words("dumps"), "no dump was tried")
        self.lives_again("crash-core-again")

    def check_watchdog_preserve(self):
        self.stands("watchdog-preserve", "---sw-")

    def check_all_can_be_destroyed(self):
        equal(len(self.words("end")), 2, "lines of xl list")

    def check_no_memory_is_lost(self):
        equal(self.words("free-after"), self.words("free-before"), "free pages")
