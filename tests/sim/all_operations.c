/* SPDX-License-Identifier: MIT */
/* Every file of generators. */
#include "gen.h"

extern const struct operation raw_operations[], build_operations[];
extern const struct operation memory_operations[], memory_control_operations[];
extern const struct operation grant_operations[], grant_map_operations[];
extern const struct operation transfer_operations[];
extern const struct operation pagetable_operations[], pagetable_entry_operations[];
extern const struct operation control_operations[], control_machine_operations[];
extern const struct operation foreign_operations[];
extern const struct operation event_operations[], fifo_operations[];
extern const struct operation sched_operations[], vcpu_operations[];
extern const struct operation trap_operations[], instruction_operations[];
extern const struct operation device_operations[], scribble_operations[];
extern const struct operation stale_operations[];

const struct operation *const all_operations[] = {
    raw_operations,
    build_operations,
    memory_operations,
    memory_control_operations,
    grant_operations,
    grant_map_operations,
    transfer_operations,
    pagetable_operations,
    pagetable_entry_operations,
    control_operations,
    control_machine_operations,
    foreign_operations,
    event_operations,
    fifo_operations,
    sched_operations,
    vcpu_operations,
    trap_operations,
    instruction_operations,
    device_operations,
    scribble_operations,
    stale_operations,
    NULL,
};
