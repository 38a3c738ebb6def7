/* SPDX-License-Identifier: MIT */
/* Guest mode (sim/guest.h), seen from the hypervisor: a vCPU's code is found, entered, and what it
 * leaves for is delivered. */
#include <kr/cpu.h>
#include <kr/log.h>
#include <sim/cpu.h>
#include <sim/mmu.h>
#include <x86/traps.h>

#include <stdlib.h>
#include <string.h>

#include "guest_internal.h"
#include "host_thread.h"
#include "machine_internal.h"

#define GUEST_STACK_BYTES (256 * KIB)
#define GUEST_COUNT_MAX   4096
#define SYSCALL_BYTES     2

static struct sim_guest *guests[GUEST_COUNT_MAX];
static pthread_mutex_t guests_lock = PTHREAD_MUTEX_INITIALIZER; /* CPUs may be threads */

void sim_text_fill(void *page)
{
    static const uint8_t syscall[] = {0x0f, 0x05}, store[] = {0x48, 0x89, 0x37};
    uint8_t *text = page;

    memset(text, 0x90, PAGE_SIZE);
    memcpy(text + (SIM_PC_SYSCALL - SIM_VIRT_BASE), syscall, sizeof(syscall));
    memcpy(text + (SIM_PC_STORE - SIM_VIRT_BASE), store, sizeof(store));
    memcpy(text + (SIM_PC_USER - SIM_VIRT_BASE), syscall, sizeof(syscall));
}

struct vcpu *sim_guest_vcpu(const struct sim_guest *g)
{
    return g->vcpu;
}

static void guest_main(void *argument)
{
    struct sim_guest *g = argument;

    sim_guest_main(g);
    for (;;)
        sim_guest_pause(g);
}

/* Its vCPU starts again from nothing: whatever it was in the middle of is forgotten. */
static void guest_restart(struct sim_guest *g)
{
    fibre_destroy(&g->fibre);
    fibre_create(&g->fibre, GUEST_STACK_BYTES, guest_main, g);
    g->nesting = 0;
    g->trap_taken = -1;
}

static bool is_of(const struct sim_guest *g, const struct vcpu *v)
{
    return g->fibre.fn && g->domain_id == v->domain->id &&
           g->domain_created_ns == v->domain->created_ns;
}

/* By the vCPU's address; the memory of one that has gone may hold another. */
static struct sim_guest *guest_find(struct vcpu *v)
{
    unsigned slot = ((const char *)v - sim_ram) / sizeof(uint64_t) % GUEST_COUNT_MAX;

    while (guests[slot] && guests[slot]->vcpu != v)
        slot = (slot + 1) % GUEST_COUNT_MAX;
    if (!guests[slot]) {
        guests[slot] = calloc(1, sizeof(**guests));
        ASSERT(guests[slot]);
        guests[slot]->vcpu = v;
    }
    return guests[slot];
}

static struct sim_guest *guest_of(struct vcpu *v)
{
    struct sim_guest *g;

    pthread_mutex_lock(&guests_lock);
    g = guest_find(v);
    pthread_mutex_unlock(&guests_lock);
    if (!is_of(g, v)) {
        g->domain_id = v->domain->id;
        g->domain_created_ns = v->domain->created_ns;
        guest_restart(g);
    }
    return g;
}

void sim_guests_destroy(void)
{
    for (unsigned i = 0; i < GUEST_COUNT_MAX; i++) {
        if (guests[i])
            fibre_destroy(&guests[i]->fibre);
        free(guests[i]);
        guests[i] = NULL;
    }
}

static void deliver(struct sim_guest *g, struct x86_regs *regs)
{
    switch (g->leave) {
    case LEAVE_SYSCALL:
        regs->rip += SYSCALL_BYTES;
        regs->rcx = regs->rip;
        regs->r11 = regs->rflags;
        syscall_from_guest(regs);
        break;
    case LEAVE_TRAP:
        regs->vector = g->vector;
        regs->error_code = g->error_code;
        write_cr2(g->fault_address);
        trap_from_guest(regs);
        break;
    case LEAVE_PAUSE:
    case LEAVE_NOT: break;
    }
}

/* What other CPUs do while the guest takes its time it sees at once; the interrupts that they send
 * are still on their way. */
static void fibre_enter(struct sim_guest *g)
{
    do {
        g->cpu->is_in_guest = true;
        fibre_switch(&g->cpu->fibre, &g->fibre);
        g->cpu->is_in_guest = false;
        if (g->leave == LEAVE_NOT)
            sim_linger();
    } while (g->leave == LEAVE_NOT);
}

void sim_guest_run(struct vcpu *v)
{
    struct sim_guest *g = guest_of(v);
    struct x86_regs *regs = &v->arch.regs;

    if (regs->rip == SIM_PC_ENTRY) {
        regs->rip = SIM_PC_RUN;
        guest_restart(g);
    }
    g->cpu = sim_cpu_self();
    if (regs->rip == SIM_PC_SYSCALL) /* a call that goes on, perhaps after a handler */
        g->leave = LEAVE_SYSCALL;
    else
        fibre_enter(g);
    deliver(g, regs);
}
