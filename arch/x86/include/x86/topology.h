/* SPDX-License-Identifier: MIT */
/* Numbers that CPUID packs into fields: the APIC id's parts, family and model. Pure. */
#pragma once

#include <kr/types.h>
#include <x86/cpuid.h>

/* An APIC id is, from bit 0 up: thread in its core, core in its socket, socket. */
struct apic_id_fields {
    uint8_t thread_bits, core_bits;
};

/* How wide the fields are on a CPU with this CPUID. */
struct apic_id_fields apic_id_fields_of(const struct cpu_policy *raw, bool is_amd);

static inline uint32_t apic_id_thread(uint32_t id, const struct apic_id_fields *f)
{
    return id & ((1u << f->thread_bits) - 1);
}

static inline uint32_t apic_id_core(uint32_t id, const struct apic_id_fields *f)
{
    return (id >> f->thread_bits) & ((1u << f->core_bits) - 1);
}

static inline uint32_t apic_id_socket(uint32_t id, const struct apic_id_fields *f)
{
    return id >> (f->thread_bits + f->core_bits);
}

/* The largest cache, of a core or shared. */
uint32_t cpu_cache_kib(const struct cpu_policy *raw);

/* EAX of leaf 1 as the manuals display it. */
void cpu_version_decode(uint32_t eax, uint32_t *family, uint32_t *model, uint32_t *stepping);
