# The x86 image, linked twice: the first finds out where functions lie, the second carries their names.
LINK = $(CC) -nostdlib -static -no-pie -Wl,--no-relax -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack \
       -Wl,--build-id=sha1 -Wl,--no-warn-rwx-segments -Wl,-T,$(LDS)

$(B)/gen/symbols_empty.c: tools/symbols.py
	@mkdir -p $(@D)
	$(Q)python3 $< --empty > $@

$(B)/krypton.pass1: $(OBJS) $(LDS) $(B)/gen/symbols_empty.c
	$(Q)$(CC) $(CFLAGS) -c -o $(B)/gen/symbols_empty.o $(B)/gen/symbols_empty.c
	$(Q)$(LINK) -o $@ $(OBJS) $(B)/gen/symbols_empty.o $(ARCHIVES)

$(B)/krypton: $(B)/krypton.pass1
	$(Q)nm -n -S $< | python3 tools/symbols.py > $(B)/gen/symbols.c
	$(Q)$(CC) $(CFLAGS) -c -o $(B)/gen/symbols.o $(B)/gen/symbols.c
	$(Q)$(LINK) -o $@.tmp $(OBJS) $(B)/gen/symbols.o $(ARCHIVES)
	$(Q)nm -n -S $@.tmp | python3 tools/symbols.py | cmp - $(B)/gen/symbols.c
	$(Q)mv $@.tmp $@
	@size $@ >&2
