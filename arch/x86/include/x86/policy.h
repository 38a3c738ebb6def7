/* SPDX-License-Identifier: MIT */
/* The system's CPU policies, made once at start-up (x86/cpuid.h says what each is). */
#pragma once

#include <x86/cpuid.h>

struct cpu_policies {
    struct cpu_policy raw, host, pv_max, pv_default, hvm_max, hvm_default, dom0;
};
extern struct cpu_policies cpu_policies;

/* Boot CPU, after cpu_detect(). */
void cpu_policies_init(void);

struct domain;
/* A domain's: what tools set, or the default of its kind. */
const struct cpu_policy *cpu_policy_of(const struct domain *d);
