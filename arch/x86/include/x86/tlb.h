/* SPDX-License-Identifier: MIT */
/*
 * TLB maintenance with a clock. Every full flush of a CPU advances the clock and stamps the CPU;
 * who removes a translation without flushing notes that (tlb_note_removal()), and before the frame
 * gets another use arch_tlb_sync() flushes only the CPUs that have not flushed since. Guests get no
 * global translations, so loading CR3 is a full flush of theirs.
 */
#pragma once

#include <kr/arch.h>

/* The value to note for a translation removed now. Never 0. */
uint32_t tlb_epoch(void);
/* A translation to this frame, or through it as a table, has just been removed. Never goes back, so
 * that of several CPUs that do this at once the last removal counts. */
void tlb_note_removal(struct page *p);
/* Loads a root on this CPU (flushes all but our global entries). */
void tlb_load_root(mfn_t root);
/* This CPU, our own global entries too. */
void tlb_flush_local(void);
/* Guest translations: of this CPU; of one page on this CPU; of all CPUs. */
void tlb_flush_guest_local(void);
void tlb_flush_page_local(uint64_t va);
void tlb_flush_guest_all(void);
/* Does what another CPU waits for: called in spin loops and when this CPU was kicked. */
void tlb_serve_request(void);
