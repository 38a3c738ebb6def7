# The simulated port: the core, lib and boot as they are, most of the x86 port's PV half as it is, and
# arch/sim in place of the hardware. Linked into programs of the host (tests/sim, tests/fuzz).
SIM_X86 := $(addprefix arch/x86/,$(addsuffix .c, \
    cpu/traps cpu/detect cpu/policy cpu/identify cpu/clock cpu/fpu \
    irq/irq irq/device irq/pirq irq/msi irq/pci irq/pci_function irq/acpi_sleep \
    mm/access mm/frame mm/iomem mm/memmap mm/pagetable mm/pagetype mm/tlb mm/walk \
    pv/bounce pv/cpu_op pv/cpuid pv/debugreg pv/domain pv/fault pv/features pv/grant_map pv/memory_op \
    pv/mmu_op pv/mmuext_op pv/mode pv/msr pv/physdev pv/port pv/privileged pv/vcpu \
    control/domctl control/domctl_frames control/domctl_policy control/domctl_vcpu control/hvm \
    control/mca control/platform control/policy_copy control/sysctl))
# Unpacking kernels wants libraries, and a C library of its own: unit tests have it.
SIM_BOOT := $(filter-out boot/unpack%,$(wildcard boot/*.c)) $(wildcard drv/acpi_*.c)
SIM_CORE := $(wildcard lib/*.c core/*.c core/control/*.c) $(SIM_BOOT) $(SIM_X86) $(wildcard arch/x86/pure/*.c)
SIM_PORT := $(wildcard arch/sim/*.c arch/sim/*.S)
SIM_INCLUDES := -Iinclude -Iarch/sim/include -Iarch/x86/include -I$(B)/gen
