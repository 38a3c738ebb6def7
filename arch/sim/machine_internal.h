/* SPDX-License-Identifier: MIT */
/* The machine's own state, shared by the files of arch/sim. */
#pragma once

#include <kr/boot_info.h>
#include <sim/cpu.h>
#include <sim/fibre.h>
#include <sim/machine.h>

struct sim_machine_state {
    struct sim_config config;
    struct fibre operator_fibre; /* whoever called sim_machine_run() */
    _Atomic bool is_running;     /* CPUs may hand over to each other */
    _Atomic bool is_pausing;
    _Atomic uint64_t moves; /* hand-overs and doors since the last progress */
    _Atomic uint64_t jumps; /* of time, over idleness, since then */
    _Atomic uint64_t time_ns;
    _Atomic enum sim_end end;
};
extern struct sim_machine_state machine;

/* cpu.c */
void sim_cpus_create(void);
void sim_cpus_start(void);
void sim_cpus_stop(void);
void sim_machine_off(enum sim_end end) __noreturn;
void sim_cpu_main(void *cpu) __noreturn;
/* A guest takes its time: other CPUs go on, and get far. */
void sim_linger(void);
/* It does not wait, or what it waits for is there. */
bool sim_cpu_can_go_on(const struct sim_cpu *cpu);
/* All wait: to the time of the next timer. False: there is none, or that has led nowhere. */
bool sim_time_jump(void);
/* thread.c: CPUs as threads. */
void sim_threads_start(void);
void sim_threads_stop(void);
enum sim_pause sim_threads_run(void);
/* Waits at the gate; *how, a field of `cpu`, is true meanwhile. */
void sim_thread_wait(struct sim_cpu *cpu, bool *how);
void sim_thread_end_if_off(void);
/* map.c: RAM comes first; then, from what the loader says, the frame table and the M2P. */
void sim_ram_create(void);
void sim_memory_init(const struct boot_info *info);
void sim_memory_destroy(void);
/* Physical memory to read; NULL: there is none. */
const void *sim_memory_map(uint64_t phys, size_t size_bytes);
/* dom0.c */
void sim_dom0_create(const struct boot_info *info);
/* pci.c: configuration space behind the ports 0xcf8 to 0xcff. */
uint32_t sim_pci_port_read(uint16_t port, unsigned bytes);
void sim_pci_port_write(uint16_t port, unsigned bytes, uint32_t value);
void sim_pci_init(void);
