# SPDX-License-Identifier: MIT
"""What xl does when a guest ends: on_poweroff, on_reboot and on_crash with each action, in one boot, with
guests of a few pages (tiny.py)."""
import re

import tiny
from harness import Scenario, equal, true

# name: (command line of the guest: tiny.py says what it does, configuration)
STAYS = {
    "off-destroy": ("0", "on_poweroff='destroy'"),
    "off-preserve": ("0", "on_poweroff='preserve'"),
    "off-core": ("0", "on_poweroff='coredump-destroy'"),
    "off-soft": ("0", "on_poweroff='soft-reset'"),
    "reboot-destroy": ("1", "on_reboot='destroy'"),
    "reboot-preserve": ("1", "on_reboot='preserve'"),
    "reboot-core": ("1", "on_reboot='coredump-destroy'"),
    "reboot-soft": ("1", "on_reboot='soft-reset'"),
    "crash-default": ("c", ""),
    "crash-preserve": ("c", "on_crash='preserve'"),
    "crash-core": ("3", "on_crash='coredump-destroy'"),
    "crash-soft": ("3", "on_crash='soft-reset'"),
    "watchdog-default": ("4", ""),
    "watchdog-preserve": ("4", "on_watchdog='preserve'"),
    "soft-default": ("5", ""),
    "soft-preserve": ("5", "on_soft_reset='preserve'"),
}
LIVES_AGAIN = {
    "off-restart": ("0", "on_poweroff='restart'"),
    "off-core-again": ("0", "on_poweroff='coredump-restart'"),
    "reboot-default": ("1", ""),
    "reboot-core-again": ("1", "on_reboot='coredump-restart'"),
    "crash-restart": ("3", "on_crash='restart'"),
    "crash-core-again": ("3", "on_crash='coredump-restart'"),
    "watchdog-restart": ("4", "on_watchdog='restart'"),
}
RENAMED = {
    "off-rename": ("0", "on_poweroff='rename-restart'"),
    "reboot-rename": ("1", "on_reboot='rename-restart'"),
    "crash-rename": ("c", "on_crash='rename-restart'"),
}

PRELUDE = """
. /demo/lib
configure() { config $1 "kernel='/kr/tiny'" "ramdisk=''" "memory=8" "extra='$2'" "$3"; }
tiny() { # name, its command line, configuration
    configure "$@"
    xl create -q /tmp/$1.cfg || echo "$1 failed"
}
ids() { xl list | awk 'NR > 1 && $1 != "Domain-0" { print $1, $2, $5 }'; }
renamed() { # both are seen at once; the second may be renamed a moment later
    ids | grep "^$1" >/tmp/$1.ids
    grep -q "^$1-20" /tmp/$1.ids && grep -q "^$1 [0-9]" /tmp/$1.ids
}
ended() { # who is to be preserved is there, shut down, and nobody else
    ids >/tmp/ids
    ! grep -qv -e '-preserve [0-9]* ---s' /tmp/ids && [ "$(wc -l </tmp/ids)" = $1 ]
}
another() { another_id=$(xl domid $1 2>/dev/null) && [ $another_id != $2 ]; }
destroy_all() { xl list | awk 'NR > 1 && $2 { print $2 }' | xargs -n 1 xl destroy; }
again() { # a guest that ends at once has to be seen with a second ID, before its xl is stopped
    configure "$@"
    xl create -qF /tmp/$1.cfg >/dev/null 2>&1 &
    again_first=
    until [ "$again_first" ]; do again_first=$(xl domid $1 2>/dev/null); done
    await 200 another $1 $again_first && echo "$1 lives again"
    kill $! 2>/dev/null
}
aside() { # the dead one stays under another name, with the minute in it: xl gives up at the second in one
    configure "$@"
    xl create -qF /tmp/$1.cfg >/dev/null 2>&1 &
    await 200 renamed $1
    cat /tmp/$1.ids
    kill $! 2>/dev/null
}
"""


class GuestEnds(Scenario):
    TITLE = "guest-ends"
    GUESTS = True
    PRELUDE = PRELUDE
    TIMEOUT_S = 600
    SCRIPT = {
        # dom0's first guest makes the hypervisor keep a few pages for dom0's own tables
        "first": "tiny first 0 ''; await 30 alone",
        "free-before": "free_pages",
        # all at once: most of the time is waiting
        "create": "".join('tiny %s %s "%s"\n' % (name, *how) for name, how in STAYS.items()),
        "ids": "await 60 ended %d; ids" % sum("preserve" in name for name in STAYS),
        # each in a shell of its own, which kills its xl
        "again": "".join('(again %s %s "%s") &\n' % (name, *how) for name, how in LIVES_AGAIN.items()) + "wait",
        "rename": "".join('(aside %s %s "%s") &\n' % (name, *how) for name, how in RENAMED.items()) + "wait",
        "dumps": "ls -1 /var/lib/xen/dump",
        "end": "destroy_all; await 30 alone; xl list",
        "free-after": "free_pages",
    }

    def options(self):
        options = super().options()
        options.files["tiny"] = tiny.kernel()
        return options

    def gone(self, name):
        true(not any(row.startswith(name) for row in self.words("ids")), "%s is there" % name)

    def stands(self, name, state):
        states = [row.split()[2] for row in self.words("ids") if row.startswith(name + " ")]
        equal(states, [state], "states of " + name)

    def lives_again(self, name):
        true(name + " lives again" in self.words("again"), "%s has had no second life" % name)

    def has_dump(self, name):
        # such a guest tells nobody where its pages are: the file stays empty
        true(name in self.words("dumps"), "no dump was tried")

    def stands_aside(self, name, state):
        rows = self.words("rename")
        true(any(re.match(r"%s-20\S* \d+ %s$" % (name, state), row) for row in rows), "not renamed: %s" % rows)
        true(any(row.startswith(name + " ") for row in rows), "not started again: %s" % rows)

    def check_create(self):
        equal(self.words("create"), [], "xl's words")

    def check_poweroff_destroy(self):
        self.gone("off-destroy")

    def check_poweroff_preserve(self):
        self.stands("off-preserve", "---s--")

    def check_poweroff_restart(self):
        self.lives_again("off-restart")

    def check_poweroff_rename_restart(self):
        self.stands_aside("off-rename", "---s--")

    def check_poweroff_coredump_destroy(self):
        self.has_dump("off-core")
        self.gone("off-core")

    def check_poweroff_coredump_restart(self):
        self.has_dump("off-core-again")
        self.lives_again("off-core-again")

    def check_reboot_destroy(self):
        self.gone("reboot-destroy")

    def check_reboot_preserve(self):
        self.stands("reboot-preserve", "---sr-")

    def check_reboot_is_restart(self):
        self.lives_again("reboot-default")

    def check_reboot_rename_restart(self):
        self.stands_aside("reboot-rename", "---sr-")

    def check_reboot_coredump_destroy(self):
        self.has_dump("reboot-core")
        self.gone("reboot-core")

    def check_reboot_coredump_restart(self):
        self.has_dump("reboot-core-again")
        self.lives_again("reboot-core-again")

    def check_crash_is_destroy(self):
        self.gone("crash-default")

    def check_crash_preserve(self):
        self.stands("crash-preserve", "---sc-")

    def check_crash_restart(self):
        self.lives_again("crash-restart")

    def check_crash_rename_restart(self):
        self.stands_aside("crash-rename", "---sc-")

    def check_crash_coredump_destroy(self):
        self.has_dump("crash-core")
        self.gone("crash-core")

    def check_crash_coredump_restart(self):
        self.has_dump("crash-core-again")
        self.lives_again("crash-core-again")

    def check_soft_reset_ends_a_pv_guest(self):
        for name in ("off-soft", "reboot-soft", "crash-soft", "soft-default"):
            self.gone(name)

    def check_soft_reset_preserve(self):
        self.stands("soft-preserve", "---sS-")

    def check_watchdog_is_destroy(self):
        self.gone("watchdog-default")

    def check_watchdog_restart(self):
        self.lives_again("watchdog-restart")

    def check_watchdog_preserve(self):
        self.stands("watchdog-preserve", "---sw-")

    def check_all_can_be_destroyed(self):
        equal(len(self.words("end")), 2, "lines of xl list")

    def check_no_memory_is_lost(self):
        equal(self.words("free-after"), self.words("free-before"), "free pages")
