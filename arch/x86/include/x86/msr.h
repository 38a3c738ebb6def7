/* SPDX-License-Identifier: MIT */
/* Model specific registers and control register bits that the port uses (Intel SDM 4, AMD APM 2).
 */
#pragma once

#define MSR_TSC            0x00000010
#define MSR_APIC_BASE      0x0000001b
#define MSR_MISC_ENABLE    0x000001a0
#define MSR_SYSENTER_CS    0x00000174
#define MSR_SYSENTER_ESP   0x00000175
#define MSR_SYSENTER_EIP   0x00000176
#define MSR_MCG_CAP        0x00000179
#define MSR_PAT            0x00000277
#define MSR_EFER           0xc0000080
#define MSR_STAR           0xc0000081
#define MSR_LSTAR          0xc0000082
#define MSR_CSTAR          0xc0000083
#define MSR_SFMASK         0xc0000084
#define MSR_FS_BASE        0xc0000100
#define MSR_GS_BASE        0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102
#define MSR_TSC_AUX        0xc0000103

#define EFER_SCE 0x001
#define EFER_LME 0x100
#define EFER_NXE 0x800

#define CR0_PE 0x00000001
#define CR0_MP 0x00000002
#define CR0_TS 0x00000008
#define CR0_ET 0x00000010
#define CR0_NE 0x00000020
#define CR0_WP 0x00010000
#define CR0_AM 0x00040000
#define CR0_PG 0x80000000

#define CR4_TSD        0x000004
#define CR4_DE         0x000008
#define CR4_PSE        0x000010
#define CR4_PAE        0x000020
#define CR4_MCE        0x000040
#define CR4_PGE        0x000080
#define CR4_OSFXSR     0x000200
#define CR4_OSXMMEXCPT 0x000400
#define CR4_UMIP       0x000800
#define CR4_FSGSBASE   0x010000
#define CR4_PCIDE      0x020000
#define CR4_OSXSAVE    0x040000
#define CR4_SMEP       0x100000
#define CR4_SMAP       0x200000

/* Entry 4 WC and entry 1 WT are part of the PV ABI. */
#define PAT_VALUE 0x0000050100070406
