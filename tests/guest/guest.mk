# Tiny PV kernels, one folder each under tests/guest/, booted as dom0 by $(KERNEL) in QEMU.
# Included by the top makefile. Variables: KERNEL= the hypervisor, ONLY= folder names (comma separated),
# REFERENCE=1 when KERNEL is Xen itself.
B      ?= build
CC     ?= gcc
Q      ?= @
KERNEL ?= $(B)/krypton
ONLY   ?=

GUEST_DIR    := tests/guest
GUEST_OUT    := $(B)/guest
GUEST_NAMES  := $(filter-out lib,$(patsubst $(GUEST_DIR)/%/,%,$(sort $(dir $(wildcard $(GUEST_DIR)/*/*.c)))))
GUEST_CFLAGS := -std=gnu11 -O2 -g -ffreestanding -fno-common -fno-pic -fno-pie -mcmodel=kernel \
                -fno-stack-protector -fno-strict-aliasing -fno-asynchronous-unwind-tables \
                -fno-toplevel-reorder -fcf-protection=none -mno-red-zone -mgeneral-regs-only \
                -ffile-prefix-map=$(CURDIR)=. -Wall -Wextra -Werror -Wstrict-prototypes -Wvla \
                -Wno-unused-parameter -Wno-sign-compare -Wno-clobbered \
                -D__XEN_TOOLS__ -D__XEN_INTERFACE_VERSION__=__XEN_LATEST_INTERFACE_VERSION__ \
                -Iinclude -I$(GUEST_DIR)/lib
GUEST_LIB    := $(patsubst %,$(GUEST_OUT)/obj/%.o,$(wildcard $(GUEST_DIR)/lib/*.c) \
                $(GUEST_DIR)/lib/entry.S lib/string.c lib/printf.c)
GUEST_ELFS   := $(GUEST_NAMES:%=$(GUEST_OUT)/%.elf)

.PHONY: test-guest test-guest-long guest-kernels
test-guest: guest-kernels $(KERNEL) ## boot the tiny PV kernels of tests/guest (ONLY=a,b KERNEL=file REFERENCE=1)
	$(Q)python3 $(GUEST_DIR)/run.py --kernel $(KERNEL) --build $(GUEST_OUT) --only "$(ONLY)" \
	    $(if $(REFERENCE),--reference)

test-guest-long: guest-kernels $(KERNEL)
	$(Q)python3 $(GUEST_DIR)/run.py --kernel $(KERNEL) --build $(GUEST_OUT) --only "$(ONLY)" --long \
	    $(if $(REFERENCE),--reference)

guest-kernels: $(GUEST_ELFS)

$(GUEST_OUT)/obj/%.c.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_CFLAGS) -MMD -MP -c -o $@ $<

$(GUEST_OUT)/obj/%.S.o: %.S
	@mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_CFLAGS) -MMD -MP -D__ASSEMBLY__ -c -o $@ $<

# The variant without INIT_P2M and MOD_START_PFN.
$(GUEST_OUT)/obj/start-plain.o: $(GUEST_DIR)/lib/start.S
	@mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_CFLAGS) -MMD -MP -D__ASSEMBLY__ -DGUEST_PLAIN_NOTES -c -o $@ $<

guest_start = $(GUEST_OUT)/obj/$(if $(filter %-plain,$1),start-plain.o,$(GUEST_DIR)/lib/start.S.o)
guest_objs  = $(patsubst %,$(GUEST_OUT)/obj/%.o,$(wildcard $(GUEST_DIR)/$1/*.c $(GUEST_DIR)/$1/*.S))

define guest_rule
$(GUEST_OUT)/$1.elf: $(call guest_start,$1) $(call guest_objs,$1) $(GUEST_LIB) $(GUEST_DIR)/lib/guest.lds
	$$(Q)$$(CC) -static -nostdlib -no-pie -Wl,--build-id=none -Wl,-z,max-page-size=4096 \
	    -Wl,--no-warn-rwx-segments -T $(GUEST_DIR)/lib/guest.lds -o $$@ $$(filter %.o,$$^)
endef
$(foreach name,$(GUEST_NAMES),$(eval $(call guest_rule,$(name))))

-include $(patsubst %.o,%.d,$(GUEST_LIB) $(foreach name,$(GUEST_NAMES),$(call guest_objs,$(name))))
