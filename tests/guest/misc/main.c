/* SPDX-License-Identifier: MIT */
/* The remaining calls: what Debian's build leaves out says so, what clients only probe answers. */
#include "guest.h"
#include <xen/callback.h>
#include <xen/hvm/params.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hypfs.h>
#include <xen/nmi.h>
#include <xen/pmu.h>

/* libxl takes it for "no security module". */
TEST("xsm-op")
{
    char buffer[64] = {0};

    CHECK_EQ(hypercall1(__HYPERVISOR_xsm_op, buffer), -ENOSYS);
}

TEST("xenpmu-op")
{
    struct xen_pmu_params params = {.version.maj = XENPMU_VER_MAJ, .version.min = XENPMU_VER_MIN};
    long err = hypercall2(__HYPERVISOR_xenpmu_op, XENPMU_init, &params);

    CHECK(err == -EOPNOTSUPP || err == -ENOSYS || err == -EINVAL);
}

TEST("absent-calls")
{
    CHECK_EQ(hypercall1(__HYPERVISOR_tmem_op, 0), -ENOSYS);
    CHECK_EQ(hypercall5(__HYPERVISOR_argo_op, 0, 0, 0, 0, 0), -ENOSYS);
}

/* HVM parameters of a PV domain. */
TEST("hvm-op")
{
    struct xen_hvm_param param = {.domid = DOMID_SELF, .index = HVM_PARAM_CALLBACK_IRQ};

    CHECK(hypercall2(__HYPERVISOR_hvm_op, HVMOP_get_param, &param) < 0);
    CHECK(hypercall2(__HYPERVISOR_hvm_op, HVMOP_set_param, &param) < 0);
    CHECK(hypercall2(__HYPERVISOR_hvm_op, 99, &param) < 0);
}

TEST("dm-op")
{
    char buffer[64] = {0};

    CHECK(hypercall3(__HYPERVISOR_dm_op, 77, 1, buffer) < 0);
    CHECK(hypercall3(__HYPERVISOR_dm_op, DOMID_SELF, 1, buffer) < 0);
}

TEST("hypfs")
{
    static uint8_t buffer[4096];
    static const char root[] = "/";
    long version = hypercall5(__HYPERVISOR_hypfs_op, XEN_HYPFS_OP_get_version, 0, 0, 0, 0);

    if (version == -ENOSYS)
        SKIP("no hypfs");
    CHECK_EQ(version, XEN_HYPFS_VERSION);
    CHECK_EQ(hypercall5(__HYPERVISOR_hypfs_op, XEN_HYPFS_OP_read, HC_ARG(root), sizeof(root),
                        HC_ARG(buffer), sizeof(buffer)),
             0);
    CHECK(hypercall5(__HYPERVISOR_hypfs_op, XEN_HYPFS_OP_read, HC_ARG("/none"), 6, HC_ARG(buffer),
                     sizeof(buffer)) < 0);
    CHECK(hypercall5(__HYPERVISOR_hypfs_op, XEN_HYPFS_OP_read, HC_ARG(root), sizeof(root), 0x1000,
                     sizeof(buffer)) < 0);
    CHECK(hypercall5(__HYPERVISOR_hypfs_op, 99, 0, 0, 0, 0) < 0);
}

TEST("nmi-op")
{
    struct xennmi_callback callback = {.handler_address = trap_stubs[TRAP_NMI]};
    long err = hypercall2(__HYPERVISOR_nmi_op, XENNMI_register_callback, &callback);

    if (err == -ENOSYS)
        SKIP("not built: nobody calls it");
    CHECK_EQ(err, 0);
    CHECK_EQ(hypercall2(__HYPERVISOR_nmi_op, XENNMI_unregister_callback, NULL), 0);
    CHECK(hypercall2(__HYPERVISOR_nmi_op, 99, NULL) < 0);
}

TEST("fpu-taskswitch")
{
    CHECK_EQ(fpu_taskswitch(1), 0);
    CHECK_EQ(fpu_taskswitch(0), 0);
    CHECK_EQ(fpu_taskswitch(0), 0);
}

/* The result register alone changes, RCX and R11 apart. */
TEST("registers-over-hypercall")
{
    uint64_t wrong;

    __asm__ volatile("pushq %%rbp; pushq %%rbx;"
                     "movl $17, %%eax; movl $2, %%ebx; movl $0, %%edi; movl $0, %%esi;"
                     "movl $4, %%edx; movl $10, %%r10d; movl $8, %%r8d; movl $9, %%r9d;"
                     "movl $7, %%ebp; movl $12, %%r12d; movl $13, %%r13d; movl $14, %%r14d;"
                     "movl $15, %%r15d;"
                     "stc; std; syscall;"
                     "pushfq; popq %%rcx; cld;"
                     "subq $0x40011, %%rax; subq $2, %%rbx; subq $4, %%rdx; subq $10, %%r10;"
                     "subq $8, %%r8; subq $9, %%r9; subq $7, %%rbp; subq $12, %%r12;"
                     "subq $13, %%r13; subq $14, %%r14; subq $15, %%r15;"
                     "andl $0x401, %%ecx; subq $0x401, %%rcx;"
                     "orq %%rbx, %%rax; orq %%rdx, %%rax; orq %%r10, %%rax; orq %%r8, %%rax;"
                     "orq %%r9, %%rax; orq %%rbp, %%rax; orq %%r12, %%rax; orq %%r13, %%rax;"
                     "orq %%r14, %%rax; orq %%r15, %%rax; orq %%rdi, %%rax; orq %%rsi, %%rax;"
                     "orq %%rcx, %%rax;"
                     "popq %%rbx; popq %%rbp"
                     : "=a"(wrong)
                     :
                     : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
                       "r15", "memory", "cc");
    CHECK_EQ(wrong, 0);
}
