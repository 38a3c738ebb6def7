/* SPDX-License-Identifier: MIT */
/* Debug key 'g': what is granted and in use, and what is mapped, of all domains. */
#include <kr/debugkey.h>

#include "grant_internal.h"

/* [g] held */
static void dump_entries(struct domain *d)
{
    uint32_t count = d->grants->active != NULL ? grant_entry_count(d->grants) : 0;

    for (uint32_t ref = 0; ref < count; ref++) {
        const struct grant_active *active = grant_active(d, ref, false);

        if (active != NULL && (active->reads != 0 || active->writes != 0))
            log_always("  grant %u to d%u: frame 0x%x, %u readers, %u writers", ref,
                       active->user_id, active->mfn, active->reads, active->writes);
    }
}

__reads_unlocked static void dump_mappings(struct domain *d)
{
    const struct grant_table *gt = d->grants;

    log_always("d%u: %u mappings", d->id, grant_mapping_count(gt));
    for (uint32_t i = 0; i < grant_handle_count(gt); i++) {
        const struct grant_mapping *m = grant_mapping_at(gt, i);

        if (m->flags != 0)
            log_always("  handle %u: d%u grant %u%s%s", i, m->owner_id, m->ref,
                       m->flags & GRANT_MAPPING_READONLY ? " read-only" : "",
                       m->flags & GRANT_MAPPING_DEVICE ? " device" : "");
    }
}

static void dump_domain(struct domain *d)
{
    struct grant_table *gt = d->grants;

    if (gt == NULL)
        return;
    spin_lock(&gt->lock);
    log_always("d%u: version %u, %u of %u frames, %u grants in use", d->id, gt->version,
               gt->frame_count, gt->frame_max, gt->pinned_count);
    dump_entries(d);
    spin_unlock(&gt->lock);
    dump_mappings(d);
}

static void dump_all(void)
{
    struct domain *d;

    log_always("Grant tables");
    for (unsigned id = 0; (d = domain_get_next(id)) != NULL;) {
        dump_domain(d);
        id = d->id + 1;
        domain_put(d);
    }
}
DEBUGKEY('g', "dump grant tables", dump_all);
