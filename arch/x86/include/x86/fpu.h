/* SPDX-License-Identifier: MIT */
/* Guests' floating-point and vector state. The hypervisor uses none itself. */
#pragma once

#include <kr/types.h>

struct vcpu;

/* Turns the units on for this CPU. */
void fpu_cpu_init(void);
/* An area charged to the vCPU's domain, in its power-on state; NULL without memory. */
void *fpu_area_alloc(struct vcpu *v);
/* At a world switch: registers to area; area to registers, and CR0.TS as the guest wants it. */
void fpu_save(struct vcpu *v);
void fpu_load(struct vcpu *v);
/* The area goes away. */
void fpu_forget(struct vcpu *v);
/* The 512-byte FXSAVE image of a stopped vCPU; an invalid one resets. */
void fpu_set_legacy(struct vcpu *v, const void *image, bool is_valid);
void fpu_get_legacy(struct vcpu *v, void *image);
/* Guest sets XCR0: false when not acceptable. Current vCPU only. */
bool fpu_set_xcr0(struct vcpu *v, uint64_t xcr0);

/* The whole XSAVE area (standard format) of a stopped vCPU. Bytes of one; 0 without XSAVE. */
size_t fpu_extended_bytes(void);
void fpu_get_extended(struct vcpu *v, void *area);
/* Takes an area of `size_bytes` at most that, and what goes into XCR0. What the CPU would refuse to
 * load is refused: -EINVAL. */
int fpu_set_extended(struct vcpu *v, const void *area, size_t size_bytes,
                     uint64_t xcr0) __must_check;
