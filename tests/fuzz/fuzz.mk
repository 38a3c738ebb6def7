# Fuzz targets: every tests/fuzz/fuzz_NAME.c is one libFuzzer program, build/fuzz/fuzz_NAME, under
# ASan and UBSan. Marker comments in it as in unit tests, and the options that libFuzzer gets:
#     /* SOURCES: boot/elf.c lib/string.c */
#     /* LIBS: -lZydis */
#     /* FLAGS: -max_len=512 */
# A target that is built otherwise adds its name to FUZZ_EXTRA before this file is read, has a rule of
# its own for build/fuzz/fuzz_NAME, and may set FUZZ_FLAGS_NAME.
#
#   make fuzz-NAME SECONDS=60 SEED=0 ARGS=   fuzz one; SEED=0 is a new one each time
#   make fuzz-smoke SECONDS=120 SEED= T=     replay everything (or T), then fresh runs of so long in all
#   make fuzz-merge T="NAME ..."             the corpora minimised, with what was found and the seeds

FUZZ_CC     := clang
FUZZ_CFLAGS := -std=gnu11 -O1 -g -fno-common -fno-omit-frame-pointer -fno-strict-aliasing \
               -fsanitize=address,undefined -fno-sanitize-recover=all \
               -Wall -Wextra -Werror -Wundef -Wno-unused-parameter -Wno-sign-compare \
               $(XENDEFS) -Itests/unit/fake $(INCLUDES)
FUZZ_OWN    := $(sort $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_NAMES  := $(sort $(FUZZ_OWN) $(FUZZ_EXTRA))
FUZZ_CHOSEN := $(if $(T),$(T),$(FUZZ_NAMES))

$(B)/fuzz/obj/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<

$(B)/fuzz/obj/core/control/hypfs.o: $(B)/gen/kr_build.h

define fuzz_rule
$(B)/fuzz/fuzz_$(1): $(B)/fuzz/obj/tests/fuzz/fuzz_$(1).o $(B)/fuzz/obj/tests/fuzz/fuzz.o \
        $(patsubst %.c,$(B)/fuzz/obj/%.o,$(call unit_marker,SOURCES,tests/fuzz/fuzz_$(1).c))
	$$(Q)$$(FUZZ_CC) $$(FUZZ_CFLAGS) -fsanitize=fuzzer -o $$@ $$^ $(call unit_marker,LIBS,tests/fuzz/fuzz_$(1).c)
FUZZ_FLAGS_$(1) := $(call unit_marker,FLAGS,tests/fuzz/fuzz_$(1).c)
endef

# Reading the markers costs a process per target: only when one is asked for.
ifneq ($(filter fuzz-% $(B)/fuzz/%,$(MAKECMDGOALS)),)
$(foreach t,$(FUZZ_OWN),$(eval $(call fuzz_rule,$(t))))
-include $(shell find $(B)/fuzz/obj -name '*.d' 2>/dev/null)
endif

# The scripts get each target's options as FUZZ_FLAGS_NAME.
FUZZ_ENV = SEED='$(SEED)' ARGS='$(ARGS)' FUZZ_BUILD=$(B)/fuzz \
    $(foreach t,$(FUZZ_NAMES),FUZZ_FLAGS_$(t)='$(FUZZ_FLAGS_$(t))')

.PHONY: $(FUZZ_NAMES:%=fuzz-%) fuzz-smoke fuzz-list fuzz-merge
$(FUZZ_NAMES:%=fuzz-%): fuzz-%: $(B)/fuzz/fuzz_%
	$(Q)$(FUZZ_ENV) tests/fuzz/run.sh one $* '$(or $(SECONDS),60)'

fuzz-list: ## the names for `make fuzz-NAME`
	@printf '%s\n' $(FUZZ_NAMES)

fuzz-smoke: ## replay every corpus, then two minutes of fresh runs
	$(Q)$(MAKE) -s --no-print-directory -k $(FUZZ_CHOSEN:%=$(B)/fuzz/fuzz_%) || true
	$(Q)$(FUZZ_ENV) tests/fuzz/run.sh smoke '$(or $(SECONDS),120)' $(FUZZ_CHOSEN)

fuzz-merge: $(FUZZ_CHOSEN:%=$(B)/fuzz/fuzz_%) $(B)/fuzz/seeds ## the kept corpora made minimal anew
	$(Q)$(FUZZ_ENV) tests/fuzz/merge.sh $(FUZZ_CHOSEN)

# Well-formed inputs, made by the unit tests' builders.
$(B)/fuzz/make_seeds: tests/fuzz/make_seeds.c $(wildcard tests/unit/*.h tests/unit/data/*.h)
	@mkdir -p $(@D)
	$(Q)$(CC) $(UNIT_CFLAGS) -o $@ $< -lcmocka -llzma -lzstd -lz -llz4
$(B)/fuzz/seeds: $(B)/fuzz/make_seeds
	$(Q)rm -rf $@ && $< $@
