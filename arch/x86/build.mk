# The x86 port's sources and its link steps.
ARCH_SRCS := $(wildcard $(foreach d,boot control cpu irq mm pv pure,arch/x86/$(d)/*.c arch/x86/$(d)/*.S))
LDS       := $(B)/krypton.lds

$(B)/gen/asm_offsets.h: arch/x86/asm_offsets.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -MT $@ -MF $(B)/gen/asm_offsets.d -S -o $(B)/gen/asm_offsets.s $<
	$(Q)sed -n 's/^.*->\([A-Z0-9_]*\) \$$\([-0-9]*\).*$$/#define \1 \2/p' $(B)/gen/asm_offsets.s > $@
-include $(B)/gen/asm_offsets.d

$(filter %.S.o,$(patsubst %,$(B)/obj/%.o,$(ARCH_SRCS))): $(B)/gen/asm_offsets.h

$(LDS): arch/x86/boot/krypton.lds.in arch/x86/include/x86/layout.h
	@mkdir -p $(@D)
	$(Q)$(CC) -E -P -x c -D__ASSEMBLY__ $(INCLUDES) -o $@ $<
