# Krypton build. `make help` lists the targets.
.DEFAULT_GOAL := all
ARCH  := x86
B     := build
CC    := gcc
Q     := $(if $(V),,@)

# One commit, one image: every date that enters the image comes from the commit.
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)

XENDEFS  := -D__XEN_TOOLS__ -D__XEN_INTERFACE_VERSION__=__XEN_LATEST_INTERFACE_VERSION__
WARNINGS := -Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla \
            -Wno-unused-parameter -Wno-sign-compare
INCLUDES := -Iinclude -Iarch/$(ARCH)/include -I$(B)/gen
CFLAGS   := -std=gnu11 -O2 -g -ffreestanding -fno-common -fPIE -fno-jump-tables -fno-stack-protector \
            -fno-strict-aliasing -fno-asynchronous-unwind-tables -fno-omit-frame-pointer -fcf-protection=none \
            -fvisibility=hidden -mno-red-zone -mgeneral-regs-only -ffile-prefix-map=$(CURDIR)=. \
            $(WARNINGS) $(XENDEFS) $(INCLUDES)
# What the kernel image unpackers link: user-space archives, called in early boot only (boot/unpack).
ARCHIVES := -llzma -lzstd -llz4 -lz

include arch/$(ARCH)/build.mk
-include tools/tools.mk tests/tests.mk

SRCS := $(sort $(wildcard lib/*.c core/*.c core/control/*.c boot/*.c drv/*.c) $(ARCH_SRCS))
OBJS := $(patsubst %,$(B)/obj/%.o,$(SRCS))

.PHONY: all clean help loc
all: $(B)/krypton $(B)/krypton.gz ## build the hypervisor (default)

$(B)/obj/%.c.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/obj/%.S.o: %.S
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -D__ASSEMBLY__ -c -o $@ $<

# What the image says about its own build.
$(B)/gen/kr_build.h: FORCE
	$(Q)tools/build_info.sh $@ $(CC)
$(B)/obj/core/version.c.o $(B)/obj/core/control/hypfs.c.o: $(B)/gen/kr_build.h
.PHONY: FORCE

$(B)/krypton.gz: $(B)/krypton
	$(Q)objcopy --strip-debug $< $@.elf && gzip -9nc $@.elf > $@ && rm $@.elf

include arch/$(ARCH)/link.mk
-include $(OBJS:.o=.d)

doc: ## docs/hypercalls.md from the tables of operations
	$(Q)tools/hypercalls_doc.py
.PHONY: doc

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sort -u | sed -E 's/:.*## /\t/' | expand -t 18

loc: ## code lines per folder (no blanks, no comments)
	@tools/loc.sh

clean: ## remove everything that was built
	rm -rf $(B)
