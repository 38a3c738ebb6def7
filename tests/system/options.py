# SPDX-License-Identifier: MIT
"""Command line options: dom0_mem's forms, and options that are wrong in a way that does not stop us."""
import json

from harness import Scenario, between, equal, true


class Dom0Mem:
    SCRIPT = {"list": "xl list", "list-l": "xl list -l", "info": "xl info", "dmesg": "xl dmesg",
              "cmdline": "cat /proc/cmdline"}
    MAX_KIB = None

    def options(self):
        options = super().options()
        options.default_args = False
        options.xen_args = "console=com1 " + self.XEN_ARGS
        options.dom0_args = "console=hvc0 quiet " + self.DOM0_ARGS
        return options

    def mem_mib(self):
        return int(self.said["list"].rows()[1][2])

    def check_limit(self):
        limit = json.loads(self.said["list-l"].text)[0]["config"]["b_info"]["max_memkb"]
        if self.MAX_KIB:
            between(limit, self.MAX_KIB, self.MAX_KIB + 4096, "max_memkb")


class Exact(Dom0Mem, Scenario):
    TITLE = "dom0_mem-exact"
    XEN_ARGS = "dom0_mem=600M,max:768M bogus_option=17 loglvl=purple"
    DOM0_ARGS = "-- dom0_mem=1M loglvl=none"
    MAX_KIB = 768 * 1024

    def check_size(self):
        equal(self.mem_mib(), 600, "dom0's memory, MiB,")

    def warned(self, word):
        lines = [line for line in self.said["dmesg"].lines()
                 if word in line and "dom0_mem=600M" not in line]
        equal(len(lines), 1, "lines about %s" % word)

    def check_unknown_option_is_warned_of(self):
        self.warned("bogus_option")

    def check_malformed_value_is_warned_of(self):
        self.warned("purple")

    def check_command_lines_stay_apart(self):
        equal(self.said["cmdline"].text.strip(), "console=hvc0 quiet " + self.DOM0_ARGS, "/proc/cmdline")
        equal(self.said["info"].fields()["xen_commandline"], "console=com1 " + self.XEN_ARGS,
              "xen_commandline")


class MaxOnly(Dom0Mem, Scenario):
    TITLE = "dom0_mem-max"
    XEN_ARGS = "dom0_mem=max:700M"
    MAX_KIB = 700 * 1024

    def check_size(self):
        equal(self.mem_mib(), 700, "dom0's memory, MiB,")


class Rest(Dom0Mem, Scenario):
    """All but 1.5 GiB, and at least 700 MiB."""
    TITLE = "dom0_mem-rest"
    XEN_ARGS = "dom0_mem=-1536M,min:700M -- for.dom0=1"

    def check_size(self):
        free = int(self.said["info"].fields()["free_memory"])
        between(free, 1500, 1545, "free memory, MiB,")
        true(self.mem_mib() >= 700, "dom0 has less than its minimum")

    def check_words_behind_dashes_reach_dom0(self):
        true(self.said["cmdline"].text.split()[-1] == "for.dom0=1", self.said["cmdline"].text)
