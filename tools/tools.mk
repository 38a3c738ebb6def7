# What people type: run, iso, gdb, bench; and apt for whatever their jobs miss.
#
# Variables of `make run` (all optional):
#   CMD='xl list'   run this in dom0, print its output, end with its status
#   MEM=3072|4G     CPUS=1      MACHINE=pc|q35     CPU=max      NET=e1000e|virtio,...
#   DISK=file,...   a disk is NVMe unless it says ahci:file or virtio:file
#   XENARGS= DOM0ARGS=   added to the command lines of the hypervisor and of dom0
#   KERNEL=file     another hypervisor (Debian's Xen)     ISO=1  boot build/krypton.iso
#   DEMO=1          a guest with a disk and a network card is started first and shown
#   QEMU=program    QEMUARGS=   TIMEOUT=seconds    V=1    show the console from the first byte
KERNEL ?= $(B)/krypton

# Packages are looked for before anything is built; with nothing missing this takes milliseconds.
DEPS_GOALS := $(or $(MAKECMDGOALS),all)
DEPS_JOBS  := $(if $(filter-out clean help loc,$(DEPS_GOALS)),build) \
              $(if $(filter run dom0,$(DEPS_GOALS)),$(if $(ISO),iso,run)) \
              $(if $(filter test%,$(DEPS_GOALS)),test) \
              $(if $(filter sim% mutants,$(DEPS_GOALS)),test) \
              $(if $(filter-out fuzz-list,$(filter fuzz-%,$(DEPS_GOALS))),fuzz) \
              $(filter iso gdb check bench coverage,$(patsubst format,check,$(DEPS_GOALS)))
DEPS_DRY   := $(findstring n,$(firstword -$(MAKEFLAGS)))
ifneq ($(strip $(DEPS_JOBS)),)
ifeq ($(DEPS_DRY)$(MAKELEVEL),0)
ifneq ($(shell tools/deps.sh $(DEPS_JOBS) 1>&2 && echo ready),ready)
$(error packages are missing, see above)
endif
endif
endif

DOM0_STAMP := $(B)/dom0/stamp
ISO_IMAGE  := $(B)/krypton.iso

.PHONY: run iso dom0 gdb bench check format
$(DOM0_STAMP): $(wildcard tools/dom0/* tools/dom0/demo/*) $(addprefix tools/krtools/,cpio.py elf.py debian.py rootfs.py bzimage.py)
	$(Q)python3 tools/dom0/build.py --out $(B)/dom0
	$(Q)touch $@

# For what needs QEMU inside dom0.
$(B)/dom0/qemu.cpio: tools/dom0/qemu.py tools/krtools/rootfs.py tools/krtools/debian.py | $(DOM0_STAMP)
	$(Q)python3 tools/dom0/qemu.py --out $@

dom0: $(DOM0_STAMP) ## the dom0 image from Debian's packages

RUN_OPTIONS = --kernel '$(KERNEL)' $(if $(MEM),--mem '$(MEM)') $(if $(CPUS),--cpus '$(CPUS)') \
    $(if $(MACHINE),--machine '$(MACHINE)') $(if $(CPU),--cpu '$(CPU)') $(if $(DISK),--disk '$(DISK)') \
    $(if $(NET),--net '$(NET)') $(if $(XENARGS),--xen-args '$(XENARGS)') \
    $(if $(DOM0ARGS),--dom0-args '$(DOM0ARGS)') $(if $(QEMU),--qemu '$(QEMU)') \
    $(if $(QEMUARGS),--qemu-args='$(QEMUARGS)') $(if $(TIMEOUT),--timeout '$(TIMEOUT)') \
    $(if $(DEMO),--demo) $(if $(V),--verbose)

# The command goes through the environment: no quoting of make or the shell touches it.
run: export KR_CMD = $(value CMD)
run: $(KERNEL) $(DOM0_STAMP) $(if $(ISO),$(ISO_IMAGE)) ## boot the Debian dom0 in QEMU: a shell, or CMD='xl list'
	@python3 tools/run.py $(RUN_OPTIONS) $(if $(ISO),--iso $(ISO_IMAGE))

iso: $(ISO_IMAGE) ## build/krypton.iso: a GRUB CD that boots the same

$(ISO_IMAGE): $(KERNEL) $(DOM0_STAMP) tools/iso.py $(wildcard tools/krtools/*.py)
	$(Q)python3 tools/iso.py --kernel '$(KERNEL)' --out $@

gdb: $(B)/krypton $(DOM0_STAMP) ## the same under gdb with our symbols
	@python3 tools/gdb/start.py $(RUN_OPTIONS)

bench: $(B)/krypton.gz $(DOM0_STAMP) ## instructions, memory, size beside Debian's Xen (AT=function,... for phases)
	@python3 bench/boot.py --kernel $(B)/krypton.gz $(if $(AT),--at '$(AT)')
	$(if $(AT),,@python3 bench/guest.py --kernel $(B)/krypton.gz)

check: ## layering, format, tidiness, static analysis
	@tools/check.sh

format: ## clang-format on every C file
	$(Q)git ls-files -co --exclude-standard -- '*.c' '*.h' | xargs clang-format -i
