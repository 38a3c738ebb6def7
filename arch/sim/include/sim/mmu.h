/* SPDX-License-Identifier: MIT */
/* Memory as the code of a guest sees it: through the page tables that its CPU has loaded. */
#pragma once

#include <sim/cpu.h>

struct sim_fault {
    uint64_t va;
    uint32_t error_code;
};

/* Reads or writes guest memory with user rights on this CPU. False: a page fault; what was before
 * it has been copied. */
bool sim_mmu_access(uint64_t va, void *buffer, size_t size_bytes, bool is_write,
                    struct sim_fault *fault);
/* The place in RAM of an aligned word, as for a write. NULL: a page fault, or no RAM. */
void *sim_mmu_word(uint64_t va);
/* A copy that others may write to meanwhile. */
void sim_shared_copy(void *dst, const void *src, size_t size_bytes);
void sim_tlb_flush(struct sim_cpu *cpu);

/* Supplied by the operator. A number that changes when the frame gets another owner; and what he
 * has to say when an access goes by a TLB entry and not by the tables. */
uint32_t sim_frame_use(mfn_t mfn);
void sim_tlb_hit(const struct sim_cpu *cpu, const struct sim_tlb_entry *e, bool is_write);
