# The simulation: `make sim SEED=n STEPS=m` repeats one run, `make sim RUNS=n` makes many.
#
# All of the hypervisor and of arch/sim is linked into one program under ASan and UBSan. The data of
# those files goes to sections of its own, so that one process can make run after run
# (tests/sim/reset.c), and the allocators are called through tests/sim/instrument.c.
include arch/sim/build.mk

SIM_SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all
ifdef COVERAGE
SIM_SANITIZE := -O0 --coverage -DCOUNTS_COVERAGE
endif
SIM_CFLAGS := -std=gnu11 -O1 -g -fno-common -fno-pie -fno-omit-frame-pointer -fno-strict-aliasing \
              -fvisibility=hidden $(SIM_SANITIZE) \
              -Wall -Wextra -Werror -Wundef -Wno-unused-parameter -Wno-sign-compare $(SIM_LENIENT) $(XENDEFS) $(SIM_INCLUDES)
SIM_WRAPS  := page_alloc page_alloc_below page_free page_free_range page_free_block page_free_run \
              page_zero heap_alloc heap_alloc_for heap_zalloc heap_zalloc_for heap_zalloc_array heap_free page_conceal \
              page_assign page_assign_traded page_expose page_steal page_steal_traded event_send event_raise_virq \
              event_raise_global_virq event_raise_pirq event_bind_interdomain event_bind_vcpu event_set_priority \
              event_port_release \
              fpu_set_legacy fpu_set_extended hypercall domain_free_id hypercall_should_yield control_enter
SIM_LDFLAGS := -no-pie $(SIM_WRAPS:%=-Wl,--wrap=%)
SIM_TESTS  := $(filter-out tests/sim/main.c tests/sim/fuzz_%.c,$(wildcard tests/sim/*.c))
# The C library has a sched_yield(), too, which the sanitizers call.
SIM_KEEP   := --rename-section .data=kr_data --rename-section .bss=kr_bss --redefine-sym sched_yield=kr_sched_yield

# $(1) folder below build, $(2) variable prefix: rules for the hypervisor's objects and the tests'.
define sim_objects
$(B)/$(1)/%.c.o: %.c
	@mkdir -p $$(@D)
	$$(Q)$$($(2)_CC) $$($(2)_CFLAGS) -MMD -MP -c -o $$@ $$<
$(B)/$(1)/%.S.o: %.S
	@mkdir -p $$(@D)
	$$(Q)$$($(2)_CC) $$($(2)_CFLAGS) -c -o $$@ $$<
$(B)/$(1)/hypervisor.o: $(patsubst %,$(B)/$(1)/%.o,$(SIM_CORE) $(SIM_PORT)) tests/sim/sim.mk
	$$(Q)ld -r -o $$@.first $$(filter %.o,$$^)
	$$(Q)$$(if $$($(2)_NO_SYMBOLS),python3 tools/symbols.py --empty,nm -n -S $$@.first | python3 tools/symbols.py) \
	    > $$(@D)/symbols.c
	$$(Q)$$($(2)_CC) $$($(2)_CFLAGS) -c -o $$(@D)/symbols.o $$(@D)/symbols.c
	$$(Q)ld -r $(SIM_WRAPS:%=--wrap=%) -o $$@ $$(filter %.o,$$^) $$(@D)/symbols.o
	$$(Q)objcopy $(SIM_KEEP) $$@
endef

SIM_CC := $(CC)
# Points of interleaving at every branch (arch/sim/cpu.c).
$(patsubst %,$(B)/sim/%.o,$(SIM_CORE)): SIM_CFLAGS += -fsanitize-coverage=trace-pc
$(eval $(call sim_objects,sim,SIM))

$(B)/sim/sim: $(B)/sim/hypervisor.o $(patsubst %,$(B)/sim/%.o,$(SIM_TESTS) tests/sim/main.c)
	$(Q)$(SIM_CC) $(SIM_CFLAGS) $(SIM_LDFLAGS) -o $@ $^

$(B)/sim/core/version.c.o $(B)/sim/core/control/hypfs.c.o: $(B)/gen/kr_build.h

# The same under ThreadSanitizer, for CPUs that are threads. What is not the hypervisor's is not
# looked at: guests' code shares the models and the trace without asking. fibre.c tells TSan of its
# switches, and must not have calls and returns counted on the wrong side of one.
TSAN_CC     := $(CC)
TSAN_CFLAGS := $(filter-out -fsanitize% -fno-sanitize%,$(SIM_CFLAGS)) -fsanitize=thread -Wno-tsan
$(eval $(call sim_objects,tsan,TSAN))
$(patsubst %,$(B)/tsan/%.o,$(SIM_TESTS) tests/sim/main.c): TSAN_CFLAGS += -fno-sanitize=thread
$(B)/tsan/arch/sim/fibre.c.o: TSAN_CFLAGS += -fno-sanitize=thread -DHAS_TSAN
$(B)/tsan/sim: $(B)/tsan/hypervisor.o $(patsubst %,$(B)/tsan/%.o,$(SIM_TESTS) tests/sim/main.c)
	$(Q)$(TSAN_CC) $(TSAN_CFLAGS) $(SIM_LDFLAGS) -o $@ $^
$(B)/tsan/core/version.c.o $(B)/tsan/core/control/hypfs.c.o: $(B)/gen/kr_build.h

# The same by clang, for libFuzzer (tests/fuzz/fuzz.mk).
FUZZ_SIM_CC     := clang
FUZZ_SIM_CFLAGS := $(SIM_CFLAGS) -fsanitize=fuzzer-no-link
# What clang adds has sections of its own, and before the last link the same addresses.
FUZZ_SIM_NO_SYMBOLS := yes
FUZZ_EXTRA      += hypercall
FUZZ_FLAGS_hypercall := -max_len=2048 -len_control=20
$(eval $(call sim_objects,fuzz/sim,FUZZ_SIM))
$(B)/fuzz/fuzz_hypercall: $(B)/fuzz/sim/hypervisor.o \
        $(patsubst %,$(B)/fuzz/sim/%.o,$(SIM_TESTS) tests/sim/fuzz_hypercall.c)
	$(Q)$(FUZZ_SIM_CC) $(FUZZ_SIM_CFLAGS) $(SIM_LDFLAGS) -fsanitize=fuzzer -o $@ $^
$(B)/fuzz/sim/core/version.c.o $(B)/fuzz/sim/core/control/hypfs.c.o: $(B)/gen/kr_build.h

ifneq ($(filter sim% $(B)/sim/%,$(MAKECMDGOALS)),)
-include $(shell find $(B)/sim -name '*.d' 2>/dev/null)
endif
ifneq ($(filter sim-threads $(B)/tsan/%,$(MAKECMDGOALS)),)
-include $(shell find $(B)/tsan -name '*.d' 2>/dev/null)
endif
ifneq ($(filter fuzz-hypercall fuzz-smoke $(B)/fuzz/fuzz_hypercall,$(MAKECMDGOALS)),)
-include $(shell find $(B)/fuzz/sim -name '*.d' 2>/dev/null)
endif

RUNS_DEFAULT := 1000
.PHONY: sim
sim: $(B)/sim/sim ## the core as a process: RUNS=n seeds from FIRST=1, or one SEED=n (STEPS=m V=1)
	@$(B)/sim/sim $(if $(SEED),--seed $(SEED),--runs $(or $(RUNS),$(RUNS_DEFAULT))) \
	    $(if $(FIRST),--first $(FIRST)) $(if $(STEPS),--steps $(STEPS)) $(if $(CPUS),--cpus $(CPUS)) \
	    $(if $(V),--verbose) $(SIM_ARGS)

# Unit tests and the simulation once more with counters, in a build folder of their own. Error returns
# are reached by unit tests and by the scripts of sim-faults; the random runs are for the other lines.
# What the programs print is only of interest when one fails.
COVERAGE_RUNS := 300
coverage_part = $(MAKE) -s --no-print-directory $(1) >$(B)/$(2).log || { tail -n 30 $(B)/$(2).log; exit 1; }
.PHONY: coverage coverage-run
coverage: ## lines of core/ and error returns that unit tests and the simulation reach
	$(Q)$(MAKE) -s --no-print-directory B=build/coverage COVERAGE=1 coverage-run
	$(Q)tools/coverage.py build/coverage
coverage-run:
	$(Q)mkdir -p $(B)
	$(Q)find $(B) -name '*.gcda' -delete
	$(Q)+$(call coverage_part,test-unit,unit)
	$(Q)+$(call coverage_part,sim RUNS=$(COVERAGE_RUNS),sim)
	$(Q)+$(call coverage_part,sim-faults,faults)

.PHONY: sim-faults
sim-faults: $(B)/sim/sim ## every hypercall with each of its allocations failed in turn
	@$(B)/sim/sim --faults

THREADS_RUNS := 40
.PHONY: sim-threads
sim-threads: $(B)/tsan/sim ## CPUs as threads under ThreadSanitizer: RUNS=n seeds, or one SEED=n
	@tests/sim/threads.sh $< $(if $(SEED),1 $(SEED),$(or $(RUNS),$(THREADS_RUNS)) $(or $(FIRST),1)) $(or $(STEPS),500)

.PHONY: sim-seeds
sim-seeds: $(B)/sim/sim ## the runs that once found a fault (tests/sim/seeds.txt)
	@tests/sim/seeds.sh $(B)/sim/sim

.PHONY: sim-quick sim-twice
sim-quick: $(B)/sim/sim
	@$(B)/sim/sim --runs 1500
sim-twice: $(B)/sim/sim
	@$(B)/sim/sim --runs 100 --first 100001 --twice

.PHONY: test-sim
test-sim: ## the simulation as continuous integration runs it: minutes
	$(Q)tests/run.sh sim-quick sim-twice sim-seeds sim-faults sim-threads

.PHONY: mutants
mutants: ## plants faults, one at a time, and counts those that the simulation finds (ONLY=word)
	$(Q)python3 tests/sim/mutants/run.py $(if $(ONLY),--only '$(ONLY)') $(if $(RUNS),--runs $(RUNS))

.PHONY: sim-shrink
sim-shrink: $(B)/sim/sim ## a shorter run that fails like SEED=n (STEPS=m) does
	@tests/sim/shrink.py --program $< --seed $(SEED) $(if $(STEPS),--steps $(STEPS))
