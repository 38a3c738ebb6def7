/* SPDX-License-Identifier: MIT */
/* See domu_more.h. */
#include "domu_more.h"

const struct guest_limits guest_limits_usual = {
    .grant_version = 1, .grant_frames = 4, .maptrack_frames = 4, .port_max = 1023};

static uint8_t *places[PLACES];

void *place_map(unsigned place, domid_t id, mfn_t mfn)
{
    static uint64_t own[PLACES];

    if (!places[place]) {
        places[place] = page_alloc();
        own[place] = pte_make(va_to_mfn(places[place]), PTE_RW);
    }
    if (mfn == 0)
        REQUIRE_EQ(map_va(places[place], own[place]), 0);
    else
        REQUIRE_EQ(hypercall4(__HYPERVISOR_update_va_mapping_otherdomain, places[place],
                              pte_make(mfn, PTE_RW), UVMF_INVLPG | UVMF_LOCAL, id),
                   0);
    return places[place];
}

struct guest guest_build_limited(const struct guest_limits *limits)
{
    struct guest g = {0};

    memset(&op, 0, sizeof(op));
    op.u.createdomain.max_vcpus = 1;
    op.u.createdomain.max_evtchn_port = limits->port_max;
    op.u.createdomain.max_grant_frames = limits->grant_frames;
    op.u.createdomain.max_maptrack_frames = limits->maptrack_frames;
    op.u.createdomain.grant_opts = XEN_DOMCTL_GRANT_version(limits->grant_version);
    REQUIRE_EQ(domctl_do(XEN_DOMCTL_createdomain, 0xffff), 0);
    g.id = op.domain;
    guest_populate(&g);
    guest_fill(&g);
    REQUIRE_EQ(foreign_pin(&g, MMUEXT_PIN_L4_TABLE, g.mfns[L4]), 0);
    REQUIRE_EQ(context_set(&g, program_calls), 0);
    return g;
}

struct guest guest_build_v2(void)
{
    struct guest_limits limits = guest_limits_usual;
    struct gnttab_set_version set = {.version = 2};
    struct guest g;

    limits.grant_version = 2;
    g = guest_build_limited(&limits);
    guest_start(&g);
    REQUIRE_EQ(CALL3(&g, __HYPERVISOR_grant_table_op, GNTTABOP_set_version, GIVE(&g, &set), 1), 0);
    return g;
}

void guest_move_aside(struct guest *g)
{
    g->request = place_map(PLACE_DATA, g->id, g->mfns[DATA]);
    window_map(DATA, 0, 0);
}

void guest_end_aside(struct guest *g)
{
    place_map(PLACE_DATA, 0, 0);
    guest_kill(g);
    guest_await_end(g);
}

void guest_end_clear(struct guest *g)
{
    for (unsigned place = 0; place < PLACES; place++)
        if (place != PLACE_DATA)
            place_map(place, 0, 0);
    guest_end(g);
}

volatile void *guest_table_map(const struct guest *g, unsigned place, unsigned array)
{
    static xen_pfn_t frames[1];
    struct xen_mem_acquire_resource resource = {
        .domid = g->id, .type = XENMEM_resource_grant_table, .id = array, .nr_frames = 1};

    set_xen_guest_handle(resource.frame_list, frames);
    REQUIRE_EQ(memory_op(XENMEM_acquire_resource, &resource), 0);
    return place_map(place, g->id, frames[0]);
}
