/* SPDX-License-Identifier: MIT */
/*
 * The simulated machine and who operates it. The operator (tests/sim) runs on the thread's own
 * stack, between runs of the CPUs; what it looks at then stands still.
 */
#pragma once

#include <kr/types.h>

#define SIM_RAM_RANGES_MAX 8
#define SIM_RAM_MAX        (1024 * GIB)
/* The place of the BIOS in the first range is no RAM. */
#define SIM_BIOS_START 0xa0000
#define SIM_BIOS_END   0x100000
#define SIM_NODE_MAX   8
#define SIM_DEVICE_MAX 4
#define SIM_GSI_COUNT  24

struct sim_ram_range {
    uint64_t start, size_bytes;
    unsigned node;
};

struct sim_config {
    unsigned cpu_count; /* 1 .. SIM_CPU_COUNT_MAX */
    unsigned ram_count, node_count;
    struct sim_ram_range ram[SIM_RAM_RANGES_MAX]; /* ascending */
    unsigned device_count;                        /* PCI functions with MSI and MSI-X */
    unsigned dom0_vcpus, dom0_pages;
    unsigned interleave_mean; /* points between two switches of CPUs; 0: only where they wait */
    unsigned late_one_in;   /* an interrupt waits longer than it must, once in so many; 0: never */
    unsigned linger_one_in; /* sim_guest_linger() lets others go on, once in so many; 0: never */
    bool uses_threads;      /* each CPU is a thread of the process: not repeatable */
    const char *command_line;
};

/* Start-up up to dom0's first instruction. One machine at a time, in zeroed state. */
void sim_machine_start(const struct sim_config *config);
const struct sim_config *sim_machine_config(void);
/* Gives back the memory. The state of the core's files is the caller's to reset. */
void sim_machine_stop(void);

enum sim_pause {
    SIM_PAUSE_WANTED, /* sim_pause_request() */
    SIM_PAUSE_IDLE,   /* every CPU waits, and timers alone get no guest to go on */
    SIM_PAUSE_OFF,    /* dom0 or the hypervisor has switched the machine off */
};
/* Lets the CPUs run until each of them is idle or at a guest's door with nothing left to do. */
enum sim_pause sim_machine_run(void);
/* Are CPUs at work, and not the operator? */
bool sim_machine_is_running(void);
/* From a guest's code: run no more of it, the machine stops at the next doors. */
void sim_pause_request(void);

/* A guest got somewhere. Without that for very long, the machine is said to hang (sim_failed()). */
void sim_progress(void);

uint64_t sim_time_ns(void);
void sim_time_pass(uint64_t ns);

/* How the machine ended, once it is off. */
enum sim_end { SIM_END_NOT, SIM_END_HALT, SIM_END_REBOOT, SIM_END_PANIC };
enum sim_end sim_machine_end(void);
/* The hypervisor's log since start-up, its last part. */
const char *sim_log(void);
/* Called when the hypervisor has died (assertion, panic), on the CPU it died on: must not return.
 * Supplied by the operator. */
void sim_failed(const char *what) __noreturn;

/* ---- devices ----------------------------------------------------------------------------------
 */

/* A line of the IO-APIC rises or falls; a function sends its message `n`. */
void sim_line_set(unsigned gsi, bool is_high);
void sim_message_send(unsigned device, unsigned n);
/* Something happens at some device, as the stream of devices says. */
void sim_devices_stir(void);
