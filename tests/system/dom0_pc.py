# SPDX-License-Identifier: MIT
"""The full round on machine type pc: clients, disks, network cards, clock, power-off."""
from clients import Clients
from devices import Devices
from harness import Scenario


class Dom0Pc(Clients, Devices, Scenario):
    TITLE = "pc"
    MACHINE = "pc"
    SCRIPT = {**Devices.SCRIPT, **Clients.SCRIPT}
