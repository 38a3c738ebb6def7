/* SPDX-License-Identifier: MIT */
/*
 * The two 8259 interrupt controllers of a PC (x86/ioapic.h): never used. Firmware may have left
 * them open, and even masked ones can raise a spurious interrupt, so they get vectors of their own.
 */
#include <kr/arch.h>
#include <x86/ioapic.h>
#include <x86/irq.h>

#define MASTER_COMMAND 0x20
#define MASTER_DATA    0x21
#define SLAVE_COMMAND  0xa0
#define SLAVE_DATA     0xa1

#define ICW1_INIT   0x11 /* edge, cascade, ICW4 follows */
#define ICW3_MASTER 0x04 /* slave on input 2 */
#define ICW3_SLAVE  0x02
#define ICW4_8086   0x01
#define INPUTS_NONE 0xff

void pic_init(void)
{
    arch_port_write8(MASTER_DATA, INPUTS_NONE);
    arch_port_write8(SLAVE_DATA, INPUTS_NONE);

    arch_port_write8(MASTER_COMMAND, ICW1_INIT);
    arch_port_write8(MASTER_DATA, VECTOR_PIC_FIRST);
    arch_port_write8(MASTER_DATA, ICW3_MASTER);
    arch_port_write8(MASTER_DATA, ICW4_8086);

    arch_port_write8(SLAVE_COMMAND, ICW1_INIT);
    arch_port_write8(SLAVE_DATA, VECTOR_PIC_FIRST + 8);
    arch_port_write8(SLAVE_DATA, ICW3_SLAVE);
    arch_port_write8(SLAVE_DATA, ICW4_8086);

    arch_port_write8(MASTER_DATA, INPUTS_NONE);
    arch_port_write8(SLAVE_DATA, INPUTS_NONE);
}
