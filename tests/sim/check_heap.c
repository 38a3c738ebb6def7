/* SPDX-License-Identifier: MIT */
/*
 * The heap against the list of objects in use that instrument.c keeps: what is charged to whom, how
 * many frames it has, and that these and what start-up took are all the hypervisor's frames.
 */
#include "recount.h"

#include <kr/cpu.h>
#include <kr/heap.h>
#include <x86/pci.h>

#include <string.h>

/* As core/heap.c has them. */
static const uint16_t class_bytes[] = {16,  32,  48,  64,  128, 192,  256,
                                       320, 448, 576, 768, 960, 1344, HEAP_SMALL_MAX};

static struct {
    uint64_t fixed_frames; /* the hypervisor's beside the heap */
    uint64_t uncharged_bytes;
} at_start;

struct heap_sums {
    uint64_t used, uncharged, large, small_frames;
};

static uint64_t charge_of(size_t size_bytes)
{
    size_t bytes = size_bytes + ALLOC_ZONE_BYTES;
    unsigned c = 0;

    if (bytes > HEAP_SMALL_MAX)
        return ALIGN_UP(bytes, PAGE_SIZE);
    while (class_bytes[c] < bytes)
        c++;
    return class_bytes[c];
}

/* Slabs are counted once each: the frame's tally is marked. */
static struct heap_sums sum_up(void)
{
    struct heap_sums sums = {0};
    unsigned count;
    const struct alloc_object *o = alloc_objects(&count);

    for (; count-- > 0; o++) {
        uint64_t charge = charge_of(o->size_bytes);
        struct tally *t = recount_find(virt_to_frame(o->object));

        RULE("heap", t && page_state(page_of(t->mfn)) == PAGE_HV,
             "an object of %u bytes of owner %u is in frame %#lx, which is not the hypervisor's",
             o->size_bytes, o->owner, virt_to_frame(o->object));
        sums.used += charge;
        sums.uncharged += o->owner == ALLOC_OWNER_NONE ? charge : 0;
        if (charge >= PAGE_SIZE)
            sums.large += charge;
        else
            sums.small_frames += !t->is_listed;
        t->is_listed = true;
    }
    return sums;
}

static uint64_t charged_to(uint16_t owner)
{
    unsigned count;
    const struct alloc_object *o = alloc_objects(&count);
    uint64_t bytes = 0;

    for (; count-- > 0; o++)
        bytes += o->owner == owner ? charge_of(o->size_bytes) : 0;
    return bytes;
}

static void accounts_check(const struct heap_sums *sums)
{
    unsigned count;
    struct domain *const *d = recount_domains(&count);
    uint64_t total = sums->uncharged;

    for (; count-- > 0; d++) {
        uint64_t bytes = charged_to((*d)->id);

        RULE("heap", (*d)->memory.heap_bytes == bytes,
             "d%u: objects of %lu bytes are charged to it, %lu counted", (*d)->id, bytes,
             (uint64_t)(*d)->memory.heap_bytes);
        total += bytes;
    }
    RULE("heap", total == sums->used, "%lu bytes are charged to domains that there are not",
         sums->used - total);
}

static uint64_t hv_frames(void)
{
    unsigned count;
    const struct tally *t = recount_tallies(&count);
    uint64_t frames = 0;

    for (; count-- > 0; t++)
        frames += page_state(page_of(t->mfn)) == PAGE_HV;
    return frames;
}

/* One empty slab of each size is kept; CPUs that want one at the same time make one each. */
static void frames_check(const struct heap_sums *sums)
{
    uint64_t held = heap_held_bytes(), least = sums->large + sums->small_frames * PAGE_SIZE;
    uint64_t most = least + ARRAY_SIZE(class_bytes) * (cpu_count + 1) * PAGE_SIZE;

    RULE("heap", heap_used_bytes() == sums->used, "objects of %lu bytes are in use, %lu counted",
         sums->used, heap_used_bytes());
    RULE("heap", held >= least && held <= most,
         "objects lie in %lu bytes of whole frames, the heap holds %lu", least, held);
    RULE("hypervisor's frames", hv_frames() == at_start.fixed_frames + held / PAGE_SIZE,
         "%lu frames are the hypervisor's, but the heap has %lu and start-up took %lu", hv_frames(),
         held / PAGE_SIZE, at_start.fixed_frames);
}

/* What is made when somebody first asks for it, and stays: PCI functions that dom0 has told of, and
 * parts of the table of domains, for 256 ids each. */
static bool is_permanent(const struct alloc_object *o)
{
    const struct pci_function *f = o->object;

    if (o->size_bytes == 256 * sizeof(struct domain *))
        return true;
    return o->size_bytes == sizeof(*f) && pci_function_find(f->address) == f;
}

static uint64_t transient_bytes(void)
{
    unsigned count;
    const struct alloc_object *o = alloc_objects(&count);
    uint64_t bytes = 0;

    for (; count-- > 0; o++)
        if (o->owner == ALLOC_OWNER_NONE && !is_permanent(o))
            bytes += charge_of(o->size_bytes);
    return bytes;
}

static void last_check(void)
{
    uint64_t bytes = transient_bytes();
    unsigned domain_count;

    recount_domains(&domain_count);
    RULE("heap", domain_count > 1 || bytes == at_start.uncharged_bytes,
         "only dom0 is left: objects of %lu bytes are charged to nobody, at start %lu", bytes,
         at_start.uncharged_bytes);
}

void check_heap_start(void)
{
    check_frames(false);
    at_start.uncharged_bytes = transient_bytes();
    at_start.fixed_frames = hv_frames() - heap_held_bytes() / PAGE_SIZE;
}

void check_heap(bool is_last)
{
    struct heap_sums sums = sum_up();

    frames_check(&sums);
    accounts_check(&sums);
    if (is_last)
        last_check();
}
