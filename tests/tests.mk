# Tests. `make test` runs every layer; each layer's targets live in its own file.
#
# Unit tests: every tests/unit/test_*.c is one cmocka program on the host, under ASan and UBSan.
# A comment line in it names the sources under test, another (optional) the libraries they need:
#     /* SOURCES: lib/printf.c core/foo.c */
#     /* LIBS: -llzma */
# Headers in tests/unit/fake stand in for ours of the same name (locks, for one).
# `make test-unit T="printf string"` builds and runs just those.

UNIT_CFLAGS := -std=gnu11 -O1 -g -fno-common -fno-omit-frame-pointer -fno-strict-aliasing \
               -fsanitize=address,undefined -fno-sanitize-recover=all \
               -Wall -Wextra -Werror -Wundef -Wno-unused-parameter -Wno-sign-compare \
               $(XENDEFS) -Itests/unit/fake $(INCLUDES)
# Without sanitizers: their checks are branches that are never taken, on lines of ours.
ifdef COVERAGE
UNIT_CFLAGS := $(filter-out -fsanitize% -fno-sanitize%,$(UNIT_CFLAGS)) -O0 --coverage -fprofile-update=atomic
endif
UNIT_NAMES  := $(if $(T),$(T),$(sort $(patsubst tests/unit/test_%.c,%,$(wildcard tests/unit/test_*.c))))
UNIT_PROGS  := $(UNIT_NAMES:%=$(B)/unit/test_%)

# The words after `keyword:` in a test's marker comment.
unit_marker = $(shell sed -n 's:^/\* $(1)\: *\(.*\) \*/ *$$:\1:p' $(2))

$(B)/unit/obj/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(UNIT_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/unit/obj/core/version.o: $(B)/gen/kr_build.h

define unit_rule
$(B)/unit/test_$(1): $(B)/unit/obj/tests/unit/test_$(1).o \
        $(patsubst %.c,$(B)/unit/obj/%.o,$(call unit_marker,SOURCES,tests/unit/test_$(1).c))
	$$(Q)$$(CC) $$(UNIT_CFLAGS) -o $$@ $$^ -lcmocka $(call unit_marker,LIBS,tests/unit/test_$(1).c)
endef

# Reading the markers costs a process per test: only when a unit test is asked for.
ifneq ($(filter test test-unit coverage-% $(B)/unit/%,$(MAKECMDGOALS)),)
$(foreach t,$(UNIT_NAMES),$(eval $(call unit_rule,$(t))))
-include $(shell find $(B)/unit/obj -name '*.d' 2>/dev/null)
endif

.PHONY: test test-unit test-guest test-system
.SECONDARY:

test-unit: ## unit tests on the host (T="name ..." runs some)
	$(Q)$(MAKE) -s --no-print-directory -k $(UNIT_PROGS) || true
	$(Q)tests/unit/run.sh $(UNIT_PROGS)

-include tests/guest/guest.mk tests/system/system.mk tests/sim/sim.mk tests/fuzz/fuzz.mk

# Each layer ends with a line `N passed, N failed`; run.sh adds them up. ALSO: further such targets.
test-long: ## the tests that take long; ends with the count
	$(Q)tests/run.sh test-guest-long test-system-long
.PHONY: test-long

test: ## all tests; ends with the count
	$(Q)tests/run.sh test-unit test-sim $(if $(wildcard tests/guest/guest.mk),test-guest) \
	    $(if $(wildcard tests/system/system.mk),test-system) $(ALSO)
