/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer on the simulation: one machine whose guests' choices are the input's bytes, one after
 * the other, as few as each choice needs. The first byte chooses the machine: how many CPUs, and
 * the seed of everything else.
 */
#include "sim.h"

#include <stdint.h>
#include <stdlib.h>

#define STEPS_MAX 300
#define BYTES_MIN 4

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    reset_prepare();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run_options options = {.steps = STEPS_MAX, .is_serial = true};
    struct run_result result;

    if (size < BYTES_MIN)
        return -1;
    options.cpus = 1 + (data[0] & 1);
    options.seed = 1 + (data[0] >> 1);
    options.bytes = data + 1;
    options.byte_count = size - 1;
    run_machine(&options, &result);
    reset_all();
    return 0;
}
