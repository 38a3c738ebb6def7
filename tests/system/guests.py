# SPDX-License-Identifier: MIT
"""The life of a PV guest with Debian's kernel under Debian's xl, from creation to its end."""
import json
import re

from harness import Scenario, between, equal, true

MIB = 192
PRELUDE = """
. /demo/lib
size() { xl list "$1" | awk 'NR == 2 { print $3 }'; }
has_size() { [ "$(size $1)" = $2 ]; }
total() { tell "$1" "awk '/MemTotal/ { print int(\\$2 / 1024) }' /proc/meminfo"; }
free_mib() { xl info | awk '/^free_memory/ { print $3 }'; }
gone() { ! xl domid "$1"; }
said() { said_since "$1" "$2" | grep -q "$3"; }
"""

# An answer twice, to tell and to xl console, which without a terminal only shows what is said.
XL_CONSOLE = ("xl console g1 </dev/null >/tmp/c & tell g1 'echo I say $((6 * 7))'; "
              "await 30 grep -q 'I say 42' /tmp/c; kill $!; cat /tmp/c")


class Guests(Scenario):
    TITLE = "guests"
    GUESTS = True
    PRELUDE = PRELUDE
    TIMEOUT_S = 600
    SCRIPT = {
        "create": "config g1 'maxmem=256' \"on_crash='preserve'\"\nxl create -p /tmp/g1.cfg; free_mib",
        "paused": "xl list g1; sleep 1; xl list g1; log_size g1",
        "start": "from=$(log_size g1); xl unpause g1; await 60 said_up $from g1; said_since 0 g1; xl list g1",
        "list-l": "xl list -l g1",
        "vcpu-list": "xl vcpu-list g1",
        "tell": "tell g1 'uname -r; cat /sys/hypervisor/type /sys/hypervisor/uuid; exit 3'; true",
        "names": "xl domid g1; xl domname 1; xl rename g1 other && xl domid other && xl domname 1; "
                 "xl domid g1; xl rename other g1; xl domname 1",
        "uptime": "xl uptime g1; tell g1 'cat /proc/uptime'",
        "pause": "xl pause g1; xl list g1; xl unpause g1; tell g1 'echo goes on'",
        "sysrq": "from=$(log_size g1); xl sysrq g1 s; await 10 tell g1 'dmesg | grep -q Emergency.Sync'; "
                 "tell g1 'dmesg | tail -n 3'",
        "nmi": "xl trigger g1 nmi; tell g1 'sleep 1; grep NMI: /proc/interrupts; dmesg | tail -n 2'",
        "trigger-bad": "xl trigger g1 reset",
        "console": XL_CONSOLE,
        "reboot": "from=$(log_size g1); xl reboot g1; await 90 said_up $from g1; xl list; xl domid g1",
        "mem-up": "free_mib; xl mem-set g1 256; await 20 has_size g1 256; size g1; total g1; free_mib",
        "mem-down": "xl mem-set g1 128; await 20 has_size g1 128; size g1; total g1; free_mib",
        "mem-most": "xl mem-set g1 300 || echo refused; xl mem-max g1 320; echo $?; "
                    "xl mem-max g1 10 || echo refused",
        "crash": "from=$(log_size g1); tell g1 'echo c >/proc/sysrq-trigger' 1 >/dev/null; "
                 "await 30 said $from g1 'Kernel panic'; sleep 1; xl list g1",
        "dump": "xl dump-core g1 /tmp/core; echo $?; ls -l /tmp/core; "
                "head -c 18 /tmp/core | hexdump -v -e '/1 \"%02x\"'; echo; "
                "tail -c 1000 /tmp/core | tr '\\0' '\\n' | grep '^[.]'; rm /tmp/core",
        "destroy": "xl destroy g1; gone g1 && echo gone",
        # dom0's first guest makes the hypervisor keep a few pages for dom0's own tables
        "free-before": "free_pages",
        "shutdown": "start g1; xl shutdown -w g1; await 10 gone g1 && echo gone; xl list",
        "free-after": "free_pages",
        "kernel-log": "dmesg",
    }

    def row(self, key, which=0):
        return [line.split() for line in self.words(key) if line.startswith("g1 ")][which]

    def check_create_paused(self):
        equal(self.words("create")[0], "Parsing config from /tmp/g1.cfg", "xl create")
        for turn in (0, 1):
            equal(self.row("paused", turn)[:5], ["g1", "1", str(MIB), "1", "--p---"], "xl list")
        equal(self.words("paused")[-1], "0", "bytes on its console")

    def check_runs(self):
        self.said["start"].find(r"^guest: up, Linux 6\.1\S*, 1 CPU, 1\d\d MiB$")
        true(self.row("start")[4] in ("-b----", "r-----"), "state: %s" % self.row("start"))
        true(float(self.row("start")[5]) > 0, "no time used")

    def check_list_l(self):
        domains = json.loads("\n".join(self.words("list-l")))
        equal([domain["domid"] for domain in domains], [1], "domain IDs")
        config = domains[0]["config"]
        equal([config["c_info"][key] for key in ("type", "name")], ["pv", "g1"], "type and name")
        equal(config["b_info"]["max_memkb"], 256 << 10, "max_memkb")
        equal(config["b_info"]["target_memkb"], MIB << 10, "target_memkb")
        equal(config["on_crash"], "preserve", "on_crash")

    def check_vcpu_list(self):
        equal(self.row("vcpu-list")[:4], ["g1", "1", "0", "0"], "vCPU 0")

    def check_console(self):
        lines = self.words("tell")
        true(lines[0].startswith("6.1."), "kernel: %s" % lines)
        equal(lines[1], "xen", "/sys/hypervisor/type")
        true(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", lines[2]), "uuid: " + lines[2])

    def check_xl_console(self):
        lines = self.words("console")
        equal(lines.count("I say 42"), 2, "answers, of tell and of xl console,")

    def check_names(self):
        lines = self.words("names")
        equal(lines[:4] + lines[-1:], ["1", "g1", "1", "other", "g1"], "domid and domname")
        true(any(line.startswith("Can't get domid") for line in lines), "the old name is still good")

    def check_uptime(self):
        hours, minutes, seconds = map(int, self.said["uptime"].find(r"^g1 +1 +(\d+):(\d+):(\d+)").groups())
        inside = float(self.words("uptime")[-1].split()[0])
        between(hours * 3600 + minutes * 60 + seconds, inside - 2, inside + 30, "uptime, s,")

    def check_pause(self):
        # asleep at that moment or not
        true(self.row("pause")[4] in ("--p---", "-bp---"), "state: %s" % self.row("pause"))
        equal(self.words("pause")[-1], "goes on", "the guest's word")

    def check_sysrq(self):
        self.said["sysrq"].find("Emergency Sync")

    def check_nmi(self):
        equal(self.said["nmi"].find(r"NMI: +(\d+)").group(1), "1", "NMIs in the guest")
        self.said["nmi"].find("NMI received for unknown reason")

    def check_trigger_refuses(self):
        self.said["trigger-bad"].find("failed: Function not implemented")

    def check_balloon_up(self):
        before, size, inside, after = map(int, self.words("mem-up"))
        equal(size, 256, "MiB by xl list")
        between(inside, 190, 256, "MiB in the guest")
        between(before - after, 63, 65, "free memory spent, MiB,")

    def check_balloon_down(self):
        size, inside, after = map(int, self.words("mem-down"))
        equal(size, 128, "MiB by xl list")
        between(inside, 60, 128, "MiB in the guest")
        between(after - int(self.words("mem-up")[-1]), 127, 129, "free memory won, MiB,")

    def check_balloon_limits(self):
        lines = [line for line in self.words("mem-most") if line in ("refused", "0", "1")]
        equal(lines, ["refused", "0", "refused"], "mem-set above the most, mem-max 320, mem-max 10")

    def check_reboot(self):
        equal(self.words("reboot")[-1], "2", "domain ID")
        equal(self.row("reboot")[1], "2", "ID in the list")

    def check_crash_preserve(self):
        equal(self.row("crash")[4], "---sc-", "state")

    def check_destroy(self):
        equal(self.words("destroy")[-1], "gone", "after xl destroy")

    def check_shutdown(self):
        true("gone" in self.words("shutdown"), "after xl shutdown")
        self.said["shutdown"].find("has been shut down, reason code 0")

    def check_dump_core(self):
        lines = self.words("dump")
        equal(lines[0], "0", "status")
        between(int(lines[1].split()[4]) >> 20, 128, 132, "the dump's MiB")
        equal((lines[2][:12], lines[2][-4:]), ("7f454c460201", "0400"), "ELF64, and the type of a core,")
        true({".xen_prstatus", ".xen_pages", ".xen_p2m"} <= set(lines[3:]), "sections: %s" % lines[3:])

    def check_no_memory_is_lost(self):
        equal(self.words("free-after"), self.words("free-before"), "free pages")

    def check_kernel_log_is_clean(self):
        bad = [line for line in self.words("kernel-log") if re.search(
            r"BUG|Oops|WARNING:|Call Trace|general protection|soft lockup|unable to handle|rcu.*stall", line)]
        equal(bad, [], "lines of the kernel's log")
