# SPDX-License-Identifier: MIT
"""Checks that Debian's Xen tools, unmodified, say what is true of the machine."""
import json
import re

from harness import Failure, between, equal, true

DOM0_MIB = 1024


class Facts:
    """The short round: what the machine and dom0 are."""
    SCRIPT = {
        "services": "pidof xenstored xenconsoled",
        "sysfs": "cd /sys/hypervisor; for f in type guest_type version/major version/minor version/extra "
                 "uuid properties/pagesize properties/virtual_start properties/capabilities; do "
                 "echo \"$f : $(cat $f)\"; done",
        "capabilities": "cat /proc/xen/capabilities",
        "cmdline": "cat /proc/cmdline",
        "cpuinfo": "cat /proc/cpuinfo",
        "meminfo": "cat /proc/meminfo",
        "info": "xl info",
        "list": "xl list",
        "list-l": "xl list -l",
        "vcpu-list": "xl vcpu-list",
        "dmesg": "xl dmesg",
        "kernel-log": "dmesg",
    }

    def check_services_run(self):
        equal(len(self.said["services"].text.split()), 2, "services running")

    def check_init_reports_no_failure(self):
        lines = [line for line in self.console.split("\n") if line.startswith("dom0: FAILED")]
        equal(lines, [], "lines of init")

    def check_kernel_log_is_clean(self):
        bad = [line for line in self.said["kernel-log"].lines() if "hw-vuln" not in line
               and re.search(r"BUG|Oops|WARNING:|Call Trace|general protection|soft lockup|"
                            r"unable to handle|rcu.*stall|nobody cared", line)]
        equal(bad, [], "lines of the kernel's log")

    def check_kernel_runs_as_pv_initial_domain(self):
        self.said["kernel-log"].find(r"Hypervisor detected: Xen PV")
        self.said["kernel-log"].find(r"Xen version: 4\.17")
        equal(self.said["capabilities"].text.strip(), "control_d", "/proc/xen/capabilities")

    def check_sysfs(self):
        said = self.said["sysfs"].fields()
        for name, value in (("type", "xen"), ("guest_type", "PV"), ("version/major", "4"),
                            ("version/minor", "17"), ("properties/pagesize", "1000"),
                            ("uuid", "00000000-0000-0000-0000-000000000000"),
                            ("properties/virtual_start", "ffff800000000000")):
            equal(said.get(name), value, name)
        true("xen-3.0-x86_64" in said["properties/capabilities"].split(), "no xen-3.0-x86_64")

    def check_info_version(self):
        info = self.said["info"].fields()
        for name, value in (("xen_major", "4"), ("xen_minor", "17"), ("xen_pagesize", "4096"),
                            ("xen_scheduler", "credit2"),
                            ("platform_params", "virt_start=0xffff800000000000")):
            equal(info.get(name), value, name)
        equal(info["xen_version"], "4.17" + info["xen_extra"], "xen_version")
        true("xen-3.0-x86_64" in info["xen_caps"].split(), "xen_caps: " + info["xen_caps"])

    def check_info_machine(self):
        info = self.said["info"].fields()
        for name, value in (("host", "dom0"), ("machine", "x86_64"), ("nr_cpus", str(self.CPUS)),
                            ("nr_nodes", "1"), ("max_cpu_id", str(self.CPUS - 1)), ("free_cpus", "0")):
            equal(info.get(name), value, name)

    def check_info_memory(self):
        info = self.said["info"].fields()
        total, free = int(info["total_memory"]), int(info["free_memory"])
        between(total, self.MEM - 2, self.MEM, "total_memory")
        between(total - free - DOM0_MIB, 0, 64, "the hypervisor's own memory, MiB,")

    def check_info_cpu_mhz(self):
        guest = float(self.said["cpuinfo"].find(r"cpu MHz\s*: ([\d.]+)").group(1))
        between(float(self.said["info"].fields()["cpu_mhz"]), guest * 0.99, guest * 1.01, "cpu_mhz")

    def check_info_hw_caps(self):
        words = self.said["info"].fields()["hw_caps"].split(":")
        equal(len(words), 8, "words of hw_caps")
        for word, bit, name in ((0, 0, "fpu"), (0, 25, "sse"), (0, 26, "sse2"), (2, 29, "lm"),
                                (2, 11, "syscall")):
            true(int(words[word], 16) >> bit & 1, "hw_caps lacks %s" % name)

    def check_info_command_line(self):
        equal(self.said["info"].fields()["xen_commandline"],
              ("console=com1 dom0_mem=%dM " % DOM0_MIB + self.XEN_ARGS).strip(), "xen_commandline")

    def check_dom0_command_line(self):
        equal(self.said["cmdline"].text.strip(), ("console=hvc0 quiet " + self.DOM0_ARGS).strip(),
              "/proc/cmdline")

    def check_list(self):
        rows = self.said["list"].rows()
        equal(rows[0], ["Name", "ID", "Mem", "VCPUs", "State", "Time(s)"], "headings")
        equal(len(rows), 2, "lines")
        equal(rows[1][:5], ["Domain-0", "0", str(DOM0_MIB), str(self.CPUS), "r-----"], "Domain-0")
        true(float(rows[1][5]) > 0, "no time used: " + rows[1][5])

    def check_list_l(self):
        domains = json.loads(self.said["list-l"].text)
        equal([domain["domid"] for domain in domains], [0], "domain IDs")
        config = domains[0]["config"]
        equal(config["c_info"], {"type": "pv", "name": "Domain-0"}, "c_info")
        between(config["b_info"]["target_memkb"], DOM0_MIB * 1024 - 1024, DOM0_MIB * 1024, "target_memkb")
        equal(config["b_info"]["sched_params"], {"sched": "credit2", "weight": 256, "cap": 0},
              "sched_params")

    def check_vcpu_list(self):
        rows = self.said["vcpu-list"].rows()
        equal(len(rows), 1 + self.CPUS, "lines")
        equal(rows[1][:3] + rows[1][3:5], ["Domain-0", "0", "0", "0", "r--"], "vCPU 0")
        true(float(rows[1][5]) > 0, "no time used: " + rows[1][5])
        equal(rows[1][6:], ["all", "/", "all"], "affinity")

    def check_dom0_memory(self):
        total_kib = int(self.said["meminfo"].find(r"MemTotal: +(\d+)").group(1))
        between(total_kib // 1024, DOM0_MIB * 3 // 4, DOM0_MIB, "dom0's MemTotal, MiB,")

    def check_dmesg_shows_the_boot(self):
        said = self.said["dmesg"]
        said.find(r"Krypton" if self.context.krypton else r"Xen version 4\.17")
        said.find(r"console=com1 dom0_mem=%dM" % DOM0_MIB)


class Clients(Facts):
    """The long round: everything that makes sense without guests."""
    SCRIPT = {
        **Facts.SCRIPT,
        "list-v": "xl list -v",
        "list-5": "xl list 5",
        "uptime": "xl uptime; cat /proc/uptime",
        "debug-h": "xl debug-keys h; xl dmesg",
        "xentop": "xentop -b -i 1",
        "xenstore-ls": "xenstore-ls /local/domain/0",
        "xenstore-rw": "xenstore-write /t/a one /t/b 'two words' && xenstore-read /t/a /t/b && "
                       "xenstore-list /t && xenstore-rm /t && ! xenstore-exists /t",
        "xenstore-watch": "xenstore-watch -n 2 /w >/tmp/w & sleep 1; xenstore-write /w/x 1; wait; cat /tmp/w",
        "test-xenstore": "test-xenstore",
        "xen-cpuid": "xen-cpuid",
        "xen-cpuid-p": "xen-cpuid -p",
        "lsevtchn": "lsevtchn 0; cat /proc/interrupts",
        "gnttab": "xen-diag gnttab_query_size 0",
        "cpupool-list": "xl cpupool-list; xl cpupool-list -c",
        "credit2": "xl sched-credit2; xl sched-credit2 -d 0 -w 512 && xl sched-credit2 -d 0; "
                   "xl sched-credit2 -d 0 -w 256",
        "credit2-bad": "xl sched-credit2 -d 0 -w 65536",
        "names": "xl domid Domain-0; xl domname 0; xl vm-list",
        "info-n": "xl info -n",
        "claims": "xl claims; xl sharing",
        "getenforce": "xl getenforce",
        "psr": "xl psr-hwinfo",
        "vcpu-pin": "xl vcpu-pin 0 0 0 && xl vcpu-list && xl vcpu-pin 0 0 all",
        "vcpu-pin-bad": "xl vcpu-pin 0 0 77",
        "lists": "for l in network block vtpm vkb channel; do xl $l-list 0; done",
        "mem-set": "xl mem-set 0 900; n=0; until [ $(xl list 0 | awk 'NR==2 {print $3}') -le 901 ] || "
                   "[ $n -ge 40 ]; do n=$((n+1)); usleep 200000; done; xl list 0; xl info | grep free_memory; "
                   "xl mem-set 0 1024; n=0; until [ $(xl list 0 | awk 'NR==2 {print $3}') -ge 1023 ] || "
                   "[ $n -ge 40 ]; do n=$((n+1)); usleep 200000; done; xl list 0; xl info | grep free_memory",
        "refusals": "xl destroy 0 && echo destroyed; xl shutdown 7 && echo shut; "
                    "xl console 3 && echo console; xl mem-set 4 100 && echo set; true",
        "xenhypfs": "xenhypfs cat /buildinfo/version/major",
        "xenpm": "xenpm get-cpu-topology",
        "rename": "xl rename 0 other && xl domname 0; xl rename 0 Domain-0; xl domname 0",
        "sysrq": "xl sysrq 0 h; sleep 1; dmesg | tail -n 3",
        "dmesg-c": "xl dmesg -c >/dev/null; xl dmesg | wc -l",
    }

    def check_list_v(self):
        row = self.said["list-v"].rows()[1]
        equal(row[6], "00000000-0000-0000-0000-000000000000", "UUID of Domain-0")

    def check_list_of_no_domain(self):
        equal(self.said["list-5"].status, 1, "status")
        self.said["list-5"].find(r"Domain '5' does not exist")

    def check_uptime(self):
        said = self.said["uptime"]
        hours, minutes, seconds = map(int, said.find(r"^Domain-0\s+0\s+(\d+):(\d+):(\d+)").groups())
        kernel = float(said.lines()[-1].split()[0])
        between(hours * 3600 + minutes * 60 + seconds, kernel - 3, kernel + 3, "uptime, s,")

    def check_debug_keys_help(self):
        text = self.said["debug-h"].text
        for key, what in (("d", "register"), ("q", "domain"), ("e", "ev.*ch|event"), ("g", "grant"),
                          ("m|M|H", "mem|heap"), ("a", "timer"), ("R", "reboot"), ("h", "this|help")):
            true(re.search(r"['\" ](%s)['\" ].*(%s)" % (key, what), text, re.I if what else 0),
                 "the help page lacks key %s (%s)" % (key, what))

    def check_xentop(self):
        rows = self.said["xentop"].rows()
        heads, row = rows[0], rows[1]
        equal(row[0], "Domain-0", "first domain")
        equal(row[heads.index("STATE")], "-----r", "state")
        equal(row[heads.index("MEM(k)")], str(DOM0_MIB * 1024), "MEM(k)")
        between(float(row[heads.index("MEM(%)")]), 100 * DOM0_MIB / self.MEM - 0.2,
                100 * DOM0_MIB / self.MEM + 0.2, "MEM(%)")
        self.said["xentop"].find(r"no limit +n/a +%d +" % self.CPUS)

    def check_xenstore_tree(self):
        said = self.said["xenstore-ls"]
        said.find(r'^domid = "0"$')
        said.find(r'^name = "Domain-0"$')
        target_kib = int(said.find(r'^ target = "(\d+)"$').group(1))
        between(target_kib, DOM0_MIB * 1024 - 1024, DOM0_MIB * 1024, "memory/target")

    def check_xenstore_writes(self):
        equal(self.said["xenstore-rw"].status, 0, "status")
        equal(self.said["xenstore-rw"].lines(), ["one", "two words", "a", "b"], "answers")

    def check_xenstore_watch(self):
        equal(self.said["xenstore-watch"].lines(), ["/w", "/w/x"], "events")

    def check_xenstore_exerciser(self):
        equal(self.said["test-xenstore"].status, 0, "status")
        self.said["test-xenstore"].find(r"ta rmw x")

    def feature_set(self, name):
        words = self.said["xen-cpuid"].find(r"^%s +([0-9a-f:]+)$" % name).group(1).split(":")
        return [int(word, 16) for word in words]

    def check_cpuid_sets(self):
        raw, host, pv = (self.feature_set(n) for n in ("Raw", "Host", "PV Default"))
        for index, (of_raw, of_host) in enumerate(zip(raw[:3], host[:3])):
            # what the hypervisor uses the CPU has; APIC, OSXSAVE and MONITOR depend on the moment
            extra = of_host & ~of_raw & ~(1 << 27 if index == 1 else 0)
            equal(hex(extra), "0x0", "host features not in the raw set, word %d," % index)
        true(pv[0] & 1 and pv[0] >> 26 & 1 and pv[2] >> 29 & 1, "PV guests lack fpu, sse2 or lm")
        true(not pv[0] >> 12 & 1, "PV guests are shown mtrr")

    def check_cpuid_policies(self):
        said = self.said["xen-cpuid-p"]
        equal(said.status, 0, "status")
        vendor = self.said["cpuinfo"].find(r"vendor_id\s*: (\w+)").group(1)
        words = [int.from_bytes(vendor[i:i + 4].encode(), "little") for i in (0, 8, 4)]
        said.find("00000000:ffffffff -> [0-9a-f]{8}:%08x:%08x:%08x" % tuple(words))

    def check_lsevtchn(self):
        said = self.said["lsevtchn"]
        ports = re.findall(r"^ *(\d+): VCPU (\d+): (.*)$", said.text, re.M)
        true(ports, "no ports")
        kernel = [line for line in said.lines() if re.search(r"xen-(percpu|pirq|dyn)", line)]
        counted = {kind: sum(text.startswith(kind) for _, _, text in ports)
                   for kind in ("IPI", "Physical IRQ")}
        equal(counted["IPI"], sum("-ipi" in line for line in kernel), "ports of kind IPI")
        # a line without a name is an interrupt that was given back
        equal(counted["Physical IRQ"], sum("xen-pirq" in line and len(line.split()) > 4
                                           for line in kernel), "ports with a pIRQ")
        # timer, console and (bound by xenstored) a domain's end
        virqs = {int(n) for n in re.findall(r"Virtual IRQ (\d+)$", said.text, re.M)}
        true({0, 2, 3} <= virqs, "virtual IRQs bound: %s" % sorted(virqs))
        pairs = {(int(port), int(m.group(1))) for port, _, text in ports
                 for m in [re.search(r"Remote Domain 0, Port (\d+)", text)] if m}
        true(pairs and all((b, a) in pairs for a, b in pairs), "unpaired ports: %s" % sorted(pairs))

    def check_grant_table_size(self):
        frames, most = map(int, self.said["gnttab"].find(r"nr_frames=(\d+), max_nr_frames=(\d+)").groups())
        between(frames, 1, most, "nr_frames")

    def check_cpupool_list(self):
        rows = self.said["cpupool-list"].rows()
        equal(rows[1], ["Pool-0", str(self.CPUS), "credit2", "y", "1"], "Pool-0")
        equal(rows[3][:2], ["Pool-0", ",".join(map(str, range(self.CPUS)))], "its CPUs")

    def check_sched_credit2(self):
        rows = [row for row in self.said["credit2"].rows() if row[0] == "Domain-0"]
        equal(rows, [["Domain-0", "0", "256", "0"], ["Domain-0", "0", "512", "0"]], "weights")

    def check_sched_credit2_refuses(self):
        true(self.said["credit2-bad"].status != 0, "a weight of 65536 was taken")

    def check_names(self):
        equal(self.said["names"].lines()[:2], ["0", "Domain-0"], "domid and domname")

    def check_info_numa(self):
        fields = self.said["info-n"].fields()
        row = self.said["info-n"].find(r"^ +0: +(\d+) +(\d+) +10$")
        equal(row.group(1), fields["total_memory"], "memory of node 0")

    def check_claims_and_sharing(self):
        rows = [row for row in self.said["claims"].rows() if row[0] == "Domain-0"]
        equal([row[-1] for row in rows], ["0", "0"], "claimed and shared")

    def check_flask_is_off(self):
        self.said["getenforce"].find("Flask XSM Disabled")

    def check_psr_is_off(self):
        self.said["psr"].find(r"Enabled +: 0")

    def check_vcpu_pin(self):
        equal(self.said["vcpu-pin"].status, 0, "status")
        # one CPU: xl shows CPU 0 as "all"
        self.said["vcpu-pin"].find(r"^Domain-0 +0 +0 +0 +r-- +[\d.]+ +(all|0) /")

    def check_vcpu_pin_refuses(self):
        true(self.said["vcpu-pin-bad"].status != 0, "CPU 77 was taken")

    def check_device_lists_are_empty(self):
        equal(self.said["lists"].status, 0, "status")
        true(not re.search(r"^\d", self.said["lists"].text, re.M), "devices: " + self.said["lists"].text)

    def check_balloon(self):
        rows = self.said["mem-set"].rows()
        sizes = [int(row[2]) for row in rows if row[0] == "Domain-0"]
        free = [int(row[2]) for row in rows if row[0] == "free_memory"]
        between(sizes[0], 899, 901, "dom0 after mem-set 900")
        between(sizes[1], 1023, 1024, "dom0 after mem-set 1024")
        between(free[0] - free[1], 122, 126, "free memory between them")

    def check_refusals(self):
        text = self.said["refusals"].text
        for word in ("destroyed", "shut", "console", "set"):
            if re.search("^%s$" % word, text, re.M):
                raise Failure("xl says it was %s" % word)
        true("Not destroying domain 0" in text, "no reason for keeping domain 0")

    def check_topology(self):
        equal(self.said["xenpm"].status, 0, "status")

    def check_hypfs(self):
        said = self.said["xenhypfs"]
        if said.status:
            true(re.search("not (implemented|supported)|Function not", said.text, re.I), said.text)
        else:
            equal(said.text.strip(), "4", "major")

    def check_rename(self):
        equal(self.said["rename"].lines(), ["other", "Domain-0"], "names")

    def check_sysrq_arrives(self):
        self.said["sysrq"].find("sysrq: HELP")

    def check_dmesg_clears(self):
        equal(self.said["dmesg-c"].text.strip(), "0", "lines left after xl dmesg -c")
