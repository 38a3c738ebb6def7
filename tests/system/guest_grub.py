# SPDX-License-Identifier: MIT
"""Debian's GRUB as the kernel of a PV guest: it reads a menu from the guest's disk, listens to the console,
and starts what the disk holds: Debian's kernel with an initramfs, or a kernel of a few bytes (tiny.py)."""
import re

import tiny
from harness import Scenario, between, equal, true

MIB = 256
MENU = """
set timeout=2
set default=second
menuentry "first of two" --id first --hotkey=f {
    linux /boot/tiny 0
}
menuentry "second of two" --id second {
    linux /boot/vmlinuz console=hvc0 quiet entry=second
    initrd /boot/initrd
}
"""
PRELUDE = """
. /demo/lib
said() { said_since "$1" g | grep -q "$2"; }
menu_is_up() { said $1 'second of two'; }
terminal() { xenstore-read /local/domain/$(xl domid g)/console/tty; }
is_off() { xl list g | grep -q -- '---s--'; }
again() { another=$(xl domid g 2>/dev/null) && [ $another != 1 ]; }
"""
FACTS = "tell g 'cat /proc/cmdline; awk \"/MemTotal/ { print int(\\$2 / 1024) }\" /proc/meminfo'"


class GuestGrub(Scenario):
    TITLE = "guest-grub"
    GUESTS = True
    PRELUDE = PRELUDE
    TIMEOUT_S = 600
    SCRIPT = {
        "disk": "mkdir -p /tmp/d/boot/grub && cd /tmp/d/boot && cp /guest/vmlinuz-gz vmlinuz && "
                "cp /guest/initrd /kr/tiny . && "
                "cat >grub/grub.cfg <<'END' && truncate -s 64M /tmp/g.img && "
                "/sbin/mke2fs -q -t ext4 -d /tmp/d /tmp/g.img%sEND" % MENU,
        "free-first": "config first memory=128; xl create -qp /tmp/first.cfg; xl destroy first; free_pages",
        "create": "config g \"kernel='/guest/grub.bin'\" \"ramdisk=''\" \"extra=''\" memory=%d "
                  "\"on_poweroff='preserve'\" \"disk=['/tmp/g.img,raw,xvda,rw']\"; xl create -q /tmp/g.cfg && "
                  "await 120 said 0 'guest: up'; said_since 0 g" % MIB,
        "second": FACTS,
        "change": "tell g 'mount -t ext4 /dev/xvda /mnt && sed -i s/timeout=2/timeout=-1/ /mnt/boot/grub/grub.cfg "
                  "&& umount /mnt && sync'",
        "reboot": "from=$(log_size g); echo $from >/tmp/from; xl reboot g; await 60 again; "
                  "await 60 menu_is_up $from; sleep 2; xl list g; said $from 'guest: up' || echo waits",
        "key": "read -r from </tmp/from; printf f >$(terminal); await 60 is_off; xl list g; said_since $from g",
        "end": "xl destroy g; await 30 alone; xl list; free_pages",
        "kernel-log": "dmesg",
    }

    def options(self):
        options = super().options()
        options.files["tiny"] = tiny.kernel()
        return options

    def check_disk_is_made(self):
        equal((self.said["disk"].text.strip(), self.said["disk"].status), ("", 0), "words and status")

    def check_reads_its_menu_from_the_disk(self):
        self.said["create"].find(r"Reading .*/boot/grub/grub\.cfg")
        self.said["create"].find("first of two")

    def check_starts_the_default_entry(self):
        self.said["create"].find(r"guest: up, Linux 6\.1")  # GRUB leaves the cursor in its line
        true("entry=second" in self.words("second")[0].split(), self.words("second")[0])

    def check_kernel_has_all_memory(self):
        between(int(self.words("second")[1]), MIB - 70, MIB, "MiB in the guest")

    def check_waits_at_the_menu(self):
        equal(self.words("reboot")[-1], "waits", "last word")

    def check_hears_a_key(self):
        self.said["key"].find(r"^g +3 +%d +1 +---s--" % MIB)
        true("guest: up" not in self.said["key"].text, "the other entry was started")

    def check_no_memory_is_lost(self):
        equal(self.words("end")[-1], self.words("free-first")[-1], "free pages")

    def check_kernel_log_is_clean(self):
        bad = [line for line in self.words("kernel-log") if re.search(
            r"BUG|Oops|WARNING:|Call Trace|general protection|soft lockup|unable to handle|rcu.*stall", line)]
        equal(bad, [], "lines of the kernel's log")
