# SPDX-License-Identifier: MIT
"""Boots with other CPU models of the emulator."""
import hashlib

from clients import Facts
from harness import Scenario, equal, true


class Model(Facts):
    """What holds for each model; `max` has the full rounds."""
    MEM = 2048
    SCRIPT = {**Facts.SCRIPT, "computes": "echo '2^100' | bc; awk 'BEGIN { printf \"%.9f\\n\", 22 / 7 }'; "
              "head -c 1000000 /dev/zero | gzip | zcat | sha256sum"}

    def check_user_space_computes(self):
        equal(self.said["computes"].lines(),
              [str(2 ** 100), "3.142857143", hashlib.sha256(bytes(1000000)).hexdigest() + "  -"], "answers")

    def check_powers_off(self):
        equal(self.reason, "guest-shutdown", "end of the machine")


class Qemu64(Model, Scenario):
    TITLE = "cpu-qemu64"
    CPU = "qemu64"


class Epyc(Model, Scenario):
    TITLE = "cpu-epyc"
    CPU = "EPYC"

    def check_model_name_reaches_dom0(self):
        true("AMD EPYC" in self.said["cpuinfo"].text, "cpuinfo does not name the model")
