/* SPDX-License-Identifier: MIT */
/*
 * Unpacking a compressed kernel with Debian's liblzma, zlib, libzstd and liblz4. Those archives are
 * user-space code: they read a stack canary at %fs:0x28 and use SSE registers and the red zone. So
 * call unpack() in early boot only: one CPU, interrupts off (an interrupt on the same stack would
 * destroy the red zone), the FS base pointing at a readable block of 64 bytes or more, CR4.OSFXSR
 * set and CR0.TS/EM clear, 16 KiB of stack left. Afterwards nothing of it is needed again: the
 * arena may be reused.
 */
#pragma once

#include <kr/kernel_image.h>
#include <kr/types.h>

/*
 * Where malloc() takes its memory from, 16-byte aligned. Needed: for xz the dictionary of the
 * stream (32 MiB for Debian's kernels, whose payload unpacks to 66 MB) plus UNPACK_ARENA_MIN, for
 * all others UNPACK_ARENA_MIN. Only what is allocated is touched. May be called again to start
 * afresh.
 */
#define UNPACK_ARENA_MIN (512UL << 10)
void unpack_arena_set(void *base, size_t size);

/*
 * Unpacks one gzip, xz, zstd or legacy lz4 stream; what follows it in `src` (Linux appends the
 * unpacked size) is ignored. `dst` may not overlap `src`. 0 and the size in *out_len; else
 * -EOPNOTSUPP (format), -EINVAL (damaged or truncated, its checksum is wrong), -ENOSPC (dst_len is
 * too small), -ENOMEM (the arena is too small), with a constant line in *why.
 */
int unpack(const void *src, size_t src_len, void *dst, size_t dst_len, size_t *out_len,
           const char **why);

/*
 * Unpacks a parsed kernel image into [dst, dst + image->unpacked_size) and checks that it is that
 * long. Errors as above, with the reason in *e. Not for PAYLOAD_ELF, which needs no unpacking.
 */
int kernel_image_unpack(const struct kernel_image *image, void *dst, struct boot_error *e);
