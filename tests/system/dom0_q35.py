# SPDX-License-Identifier: MIT
"""Devices and the clients that say what the machine is, on machine type q35."""
from clients import Facts
from devices import Devices
from harness import Scenario


class Dom0Q35(Facts, Devices, Scenario):
    TITLE = "q35"
    MACHINE = "q35"
    MEM = 4096
    SCRIPT = {**Devices.SCRIPT, **Facts.SCRIPT}
