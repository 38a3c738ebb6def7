/* SPDX-License-Identifier: MIT */
/* The streams of choices (sim/random.h). Each thread that plays a CPU has its own. */
#include <sim/random.h>

#include <string.h>

#define GOLDEN 0x9e3779b97f4a7c15UL

static uint64_t run_seed;
static _Thread_local uint64_t states[SIM_STREAM_COUNT];
static const uint8_t *bytes_next;
static size_t bytes_left;

/* Steele, Lea, Flood 2014: "Fast splittable pseudorandom number generators". */
static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9UL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebUL;
    return z ^ z >> 31;
}

void sim_random_seed(uint64_t seed)
{
    run_seed = seed;
    bytes_next = NULL;
    bytes_left = 0;
    for (unsigned i = 0; i < SIM_STREAM_COUNT; i++)
        states[i] = mix(seed + mix((i + 1) * GOLDEN));
}

void sim_random_restart(enum sim_stream stream, uint64_t number)
{
    states[stream] = mix(run_seed + mix((stream + 1) * GOLDEN) + mix(number * GOLDEN + 1));
}

void sim_random_bytes(const uint8_t *bytes, size_t count)
{
    bytes_next = bytes;
    bytes_left = bytes ? count : 0;
}

bool sim_random_has_more(void)
{
    return !bytes_next || bytes_left > 0;
}

static uint64_t take_bytes(unsigned count)
{
    uint64_t value = 0;
    unsigned taken = bytes_left < count ? (unsigned)bytes_left : count;

    memcpy(&value, bytes_next, taken);
    bytes_next += taken;
    bytes_left -= taken;
    return value;
}

uint64_t sim_random(enum sim_stream stream)
{
    if (bytes_next && stream == SIM_STREAM_GUEST)
        return take_bytes(8);
    return mix(states[stream] += GOLDEN);
}

/* As few bytes as the bound needs: a fuzzer changes them one at a time. */
static unsigned bytes_for(uint64_t bound)
{
    unsigned count = 1;

    while (count < 8 && bound > 1UL << 8 * count)
        count++;
    return count;
}

uint64_t sim_random_below(enum sim_stream stream, uint64_t bound)
{
    if (bound == 0)
        return 0;
    if (bytes_next && stream == SIM_STREAM_GUEST)
        return take_bytes(bytes_for(bound)) % bound;
    return sim_random(stream) % bound;
}

bool sim_random_one_in(enum sim_stream stream, uint64_t count)
{
    return count != 0 && sim_random_below(stream, count) == 0;
}
