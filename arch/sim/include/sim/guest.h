/* SPDX-License-Identifier: MIT */
/*
 * The code of a guest. Each vCPU's runs on a fibre of its own, "in guest mode", and leaves it only
 * as real code does: by SYSCALL, by a fault, or because an interrupt arrived. The hypervisor's
 * entry code, register area and stack frames are the real ones; so a guest here has a kernel stack
 * in its memory, handlers at addresses, and returns by the iret hypercall.
 *
 * What the instructions at an address are is agreed on here: SIM_PC_*. Memory is laid out alike in
 * every guest that the simulation builds: page number n at SIM_VIRT_BASE + n pages.
 */
#pragma once

#include <kr/domain.h>

#define SIM_VIRT_BASE 0xffff888000000000UL
#define SIM_VCPU_MAX  8

/* Page numbers of a guest's first pages; one for each vCPU where so many follow. */
#define SIM_PFN_TEXT       0
#define SIM_PFN_START_INFO 1
#define SIM_PFN_GDT        2
#define SIM_PFN_STACK      4
#define SIM_PFN_ARGS       (SIM_PFN_STACK + SIM_VCPU_MAX)
#define SIM_PFN_TABLES     (SIM_PFN_ARGS + 2 * SIM_VCPU_MAX) /* L4, L3, L2, L1 */
#define SIM_PFN_USER_L4    (SIM_PFN_TABLES + 4)
#define SIM_PFN_FREE       (SIM_PFN_TABLES + 8) /* from here on without a purpose */
#define SIM_PAGES_MIN      64
#define SIM_PAGES_MAX      256

static inline uint64_t sim_page_va(uint64_t pfn)
{
    return SIM_VIRT_BASE + (pfn << PAGE_SHIFT);
}

/* A guest's frame numbers by page number stand in the second half of its start_info page. */
#define SIM_P2M_VA (sim_page_va(SIM_PFN_START_INFO) + PAGE_SIZE / 2)

/* Page tables and descriptors must not be mapped writable. */
static inline bool sim_pfn_is_readonly(unsigned pfn)
{
    return pfn == SIM_PFN_GDT || (pfn >= SIM_PFN_TABLES && pfn <= SIM_PFN_USER_L4);
}

/* Addresses in the text page. The bytes there are real instructions where the hypervisor reads
 * them. */
#define SIM_PC(offset)       (SIM_VIRT_BASE + (offset))
#define SIM_PC_SYSCALL       SIM_PC(0x00) /* syscall */
#define SIM_PC_AFTER_SYSCALL SIM_PC(0x02)
#define SIM_PC_RUN           SIM_PC(0x10) /* code without a name */
#define SIM_PC_ENTRY         SIM_PC(0x20) /* where a new vCPU starts */
#define SIM_PC_STORE         SIM_PC(0x30) /* mov %rsi, (%rdi) */
#define SIM_PC_AFTER_STORE   SIM_PC(0x33)
#define SIM_PC_USER          SIM_PC(0x40) /* user mode */
#define SIM_PC_SCRATCH       SIM_PC(0x80) /* whatever the guest has put there */
#define SIM_PC_EVENT         SIM_PC(0x100)
#define SIM_PC_FAILSAFE      SIM_PC(0x110)
#define SIM_PC_USER_SYSCALL  SIM_PC(0x120)
#define SIM_PC_NMI           SIM_PC(0x130)
#define SIM_PC_TRAP(vector)  SIM_PC(0x200 + 16 * (vector))
#define SIM_TRAP_COUNT       32

/* The bytes of the text page. */
void sim_text_fill(void *page);

struct sim_guest; /* one vCPU's code */

/* ---- for the port -----------------------------------------------------------------------------
 */

/* Enters the vCPU that this CPU has loaded, and deals with what it leaves for. */
void sim_guest_run(struct vcpu *v);
void sim_guests_destroy(void);

/* ---- for the guests' code ---------------------------------------------------------------------
 */

/* Supplied by the operator. main: a vCPU from its first instruction on; when it returns, the vCPU
 * only waits for events. event: the upcall. Called in guest mode. */
void sim_guest_main(struct sim_guest *g);
void sim_guest_event(struct sim_guest *g);

struct vcpu *sim_guest_vcpu(const struct sim_guest *g);

/* A hypercall; with all its restarts. What it returned, or -EINTR: its context was replaced. */
long sim_hypercall(struct sim_guest *g, unsigned nr, const uint64_t args[6]);
/* Memory by virtual address. False: a page fault, which the guest's handler has seen. */
bool sim_guest_read(struct sim_guest *g, uint64_t va, void *buffer, size_t size_bytes);
bool sim_guest_write(struct sim_guest *g, uint64_t va, const void *buffer, size_t size_bytes);
/* One 8-byte store by an instruction, which the hypervisor may emulate: into a page table that is
 * mapped read-only. False: fault. */
bool sim_guest_store(struct sim_guest *g, uint64_t va, uint64_t value);
/* The instruction that lies at SIM_PC_SCRATCH, which writes to (%rdi), with these registers;
 * repeated as long as it is where the CPU goes on. One that does not fault is left out. False:
 * fault. */
struct sim_store {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi;
};
bool sim_guest_store_scratch(struct sim_guest *g, const struct sim_store *s);
/* An exception that an instruction takes: for a page fault with the address. */
struct sim_trap {
    unsigned vector;
    uint32_t error_code;
    uint64_t address;
};
/* Executes what lies at SIM_PC_SCRATCH as an instruction that faults. General registers are what
 * the guest has put into the vCPU's; RIP and RSP stay. False: the guest's handler was entered, or
 * its context replaced. */
bool sim_guest_fault(struct sim_guest *g, const struct sim_trap *trap);
/* To user mode, there the instruction at SIM_PC_SCRATCH that faults (NULL: none), one system call,
 * and back. False: something went another way. */
bool sim_guest_user(struct sim_guest *g, const struct sim_trap *trap);
/* A moment in which interrupts may arrive. */
void sim_guest_pause(struct sim_guest *g);
/* The code takes its time, in some machines: other CPUs get far meanwhile. What they send arrives
 * after that, when the guest leaves guest mode. */
void sim_guest_linger(struct sim_guest *g);
/* The aligned 4 or 8 bytes at an address, for the instructions that change a word in one step: its
 * place in RAM, good until the guest leaves guest mode. NULL: not mapped writable. */
void *sim_guest_word(struct sim_guest *g, uint64_t va);
/* The FPU's registers, as FXSAVE has them, of the CPU that the guest runs on. NULL: using it would
 * trap (CR0.TS). Good until the guest leaves guest mode. */
uint8_t *sim_guest_fpu(struct sim_guest *g);
/* The vector of the last exception that its handlers saw, -1 for none since the last call. */
int sim_guest_trap_taken(struct sim_guest *g);
