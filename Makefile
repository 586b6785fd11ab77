# SPDX-License-Identifier: Apache-2.0
# nestbox: one Makefile, not recursive. Each module is a folder with a module.mk that names the only
# modules it may include from (the arrows of docs/design.md): nothing else is on its include path.
#
# Flavours of an object: host (gcc, glibc: the CLI), musl (static: monitor, VMM, fs server, guest
# init), unit (gcc, ASan + UBSan: tests), clang (warnings only), fuzz (clang, libFuzzer).

VERSION := 0.1.0
PREFIX ?= /usr/local
DESTDIR ?=
B := build
CACHE := $(or $(NESTBOX_CACHE),/var/cache/nestbox)
LIBDIR := $(PREFIX)/lib/nestbox

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

MODULES :=
MODULE_FILES := $(wildcard lib/module.mk oci-spec/module.mk runtime/*/module.mk rootfs/module.mk shim/module.mk)
include $(MODULE_FILES)

# ---- flags -------------------------------------------------------------------------------------

WARN := -Wall -Wextra -Wformat=2 -Wshadow -Wvla -Wmissing-prototypes -Wstrict-prototypes \
	-Wold-style-definition -Wimplicit-fallthrough -Wswitch-enum -Wconversion -Wundef \
	-Wpointer-arith -Wcast-qual -Wwrite-strings -Wredundant-decls -Wnested-externs \
	-Wmissing-declarations -Wdouble-promotion -Wnull-dereference -Wno-missing-field-initializers \
	-Werror
COMMON := -std=gnu17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -include lib/banned.h $(WARN) \
	-DNESTBOX_VERSION='"$(VERSION)"' -DNESTBOX_LIBDIR='"$(LIBDIR)"' \
	-fstack-protector-strong -fcf-protection -fno-strict-aliasing -fno-common -g
HARDEN := -O2 -D_FORTIFY_SOURCE=3 -ftrivial-auto-var-init=zero -fPIE

# musl has no kernel headers of its own: Debian's, and nothing else of glibc's include folder.
KHEADERS := $(B)/kernel-headers
M := /usr/lib/x86_64-linux-musl

CC_host := gcc
CFLAGS_host := $(COMMON) $(HARDEN)
CC_musl := musl-gcc
CFLAGS_musl := $(COMMON) -isystem $(KHEADERS) -O2 -ftrivial-auto-var-init=zero -fPIE
CC_unit := gcc
CFLAGS_unit := $(COMMON) -O1 -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer -DNESTBOX_UNIT_TEST=1 -Wno-null-dereference \
	-DNESTBOX_TESTS='"$(CURDIR)/tests"'
CC_clang := clang
CFLAGS_clang := $(COMMON) -O2 -Wno-gnu-folding-constant -Wno-gnu-variable-sized-type-not-at-end
CC_fuzz := clang
CFLAGS_fuzz := $(COMMON) -O1 -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=all -DNESTBOX_UNIT_TEST=1 -Wno-gnu-folding-constant \
	-Wno-gnu-variable-sized-type-not-at-end

# ---- modules -----------------------------------------------------------------------------------

sources = $(sort $(wildcard $($(1)_DIR)/*.c))
# What is generated is not ours: no warnings about it, nor about the casts in its macros.
GEN := $(B)/gen
includes = -I$($(1)_DIR) $(foreach u,$($(1)_USES),-I$($(u)_DIR)) $(if $(filter shim,$(1)),-isystem $(GEN) -Wno-cast-qual)
# Objects of a module without its main.c: what programs and tests link.
library = $(patsubst %.c,$(B)/$(1)/%.o,$(filter-out %/main.c,$(call sources,$(2))))

define module_rules
$(B)/$(1)/$($(2)_DIR)/%.o: $($(2)_DIR)/%.c Makefile $($(2)_DIR)/module.mk | $(KHEADERS)
	@mkdir -p $$(@D)
	$$(Q)$(CC_$(1)) $(CFLAGS_$(1)) $(call includes,$(2)) -MMD -MP -c -o $$@ $$<
endef
FLAVOURS := host musl unit clang fuzz
$(foreach f,$(FLAVOURS),$(foreach m,$(MODULES),$(eval $(call module_rules,$(f),$(m)))))

# The shim's messages, from their description; made before anything that includes them.
$(GEN)/shim-api.pb-c.h $(GEN)/shim-api.pb-c.c &: shim/shim-api.proto
	@mkdir -p $(@D)
	$(Q)protoc-c --c_out=$(GEN) --proto_path=shim $<
$(foreach f,$(FLAVOURS),$(patsubst %.c,$(B)/$(f)/%.o,$(call sources,shim))): $(GEN)/shim-api.pb-c.h
define generated_rule
$(B)/$(1)/gen/%.o: $(GEN)/%.c Makefile
	@mkdir -p $$(@D)
	$$(Q)$(CC_$(1)) $(CFLAGS_$(1)) -w -isystem $(GEN) -c -o $$@ $$<
endef
$(foreach f,host unit fuzz,$(eval $(call generated_rule,$(f))))

Q := $(if $(V),,@)

$(KHEADERS):
	@mkdir -p $@
	@ln -sfn /usr/include/linux $@/linux
	@ln -sfn /usr/include/asm-generic $@/asm-generic
	@ln -sfn /usr/include/x86_64-linux-gnu/asm $@/asm
	@ln -sfn /usr/include/mtd $@/mtd
	@ln -sfn /usr/include/video $@/video

# ---- programs ----------------------------------------------------------------------------------

CLI_MODULES := cli ctr plan host oci-spec proto lib
STATIC_PROGRAMS := monitor vmm fsd netd rootfs
monitor_PROGRAM := nestbox-monitor
monitor_LINKS := monitor proto lib
vmm_PROGRAM := nestbox-vmm
vmm_LINKS := vmm virtq proto lib
fsd_PROGRAM := nestbox-fsd
fsd_LINKS := fsd proto lib
netd_PROGRAM := nestbox-netd
netd_LINKS := netd proto lib
rootfs_PROGRAM := init
rootfs_LINKS := rootfs proto lib

main_object = $(B)/$(1)/$($(2)_DIR)/main.o
cli_objects := $(call main_object,host,cli) $(foreach m,$(CLI_MODULES),$(call library,host,$(m)))

$(B)/bin/nestbox: $(cli_objects)
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)gcc -pie -Wl,-z,relro,-z,now -o $@ $^ -lyajl -lseccomp

# Static PIE by hand: Debian's musl-gcc does not know -static-pie.
define static_program
$(B)/bin/$($(1)_PROGRAM): $(call main_object,musl,$(1)) $(foreach m,$($(1)_LINKS),$(call library,musl,$(m)))
	@mkdir -p $$(@D)
	@echo "  LINK    $$@"
	$(Q)musl-gcc -static -nostartfiles -Wl,-pie,--no-dynamic-linker,-z,text,-z,relro,-z,now,--gc-sections \
		-o $$@ $(M)/rcrt1.o $(M)/crti.o $$^ $(M)/crtn.o
endef
$(foreach p,$(STATIC_PROGRAMS),$(eval $(call static_program,$(p))))

SHIM := containerd-shim-nestbox-v1
$(B)/bin/$(SHIM): $(call main_object,host,shim) $(foreach m,shim oci-spec proto lib,$(call library,host,$(m))) \
	$(B)/host/gen/shim-api.pb-c.o
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)gcc -pie -Wl,-z,relro,-z,now -Wl,--gc-sections -o $@ $^ -lyajl -lprotobuf-c

PROGRAMS := $(B)/bin/nestbox $(B)/bin/$(SHIM) $(foreach p,$(STATIC_PROGRAMS),$(B)/bin/$($(p)_PROGRAM))

# ---- guest: initrd and kernel ------------------------------------------------------------------

$(B)/lib/initrd.cpio: $(B)/bin/init rootfs/mk-initrd
	@mkdir -p $(@D)
	@echo "  INITRD  $@"
	$(Q)rootfs/mk-initrd $< $@

KERNEL_INPUTS := $(wildcard kernel-config/*)
$(B)/lib/vmlinux: $(KERNEL_INPUTS)
	@mkdir -p $(@D)
	$(Q)kernel-config/build-kernel --print-path > $(B)/lib/vmlinux.path
	$(Q)ln -sfn "$$(tail -n 1 $(B)/lib/vmlinux.path)" $@

.PHONY: all programs kernel initrd deps install deb demo check conformance bench unit fuzz style clang clean help
all: programs initrd kernel ## build everything: programs, initrd, guest kernel
programs: $(PROGRAMS) ## build the programs only
initrd: $(B)/lib/initrd.cpio
kernel: $(B)/lib/vmlinux ## build the guest kernel (cached by content)

deps: ## install the Debian packages that building and testing need
	scripts/deps

# The kernel is a link into the cache: install copies what it points to.
install: all ## install to $(DESTDIR)$(PREFIX)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(LIBDIR) $(DESTDIR)$(PREFIX)/share/man/man8
	install -m 755 $(B)/bin/nestbox $(B)/bin/$(SHIM) $(DESTDIR)$(PREFIX)/bin/
	install -m 755 $(B)/bin/nestbox-monitor $(B)/bin/nestbox-vmm $(B)/bin/nestbox-fsd $(B)/bin/nestbox-netd $(DESTDIR)$(LIBDIR)/
	install -m 644 $(B)/lib/initrd.cpio $(DESTDIR)$(LIBDIR)/initrd.cpio
	install -m 644 "$$(readlink -f $(B)/lib/vmlinux)" $(DESTDIR)$(LIBDIR)/vmlinux
	install -m 644 $(wildcard docs/man/*.8) $(DESTDIR)$(PREFIX)/share/man/man8/

deb: all ## a Debian package in build/, from what `make install` installs
	scripts/mk-deb $(VERSION)

demo: ## from nothing to a container in a microVM
	scripts/demo

check: ## every test, all layers; ends in "N passed, N failed"
	scripts/check

conformance: all ## the suites of runc and crun, against nestbox, runc and crun
	tests/conformance/conformance

bench: all ## nestbox beside crun, runc and a QEMU microVM: build/bench
	tests/bench/bench

# ---- tests -------------------------------------------------------------------------------------

# A header that several modules have is named with its module there: "vmm/boot.h".
ALL_INCLUDES := $(foreach m,$(MODULES),-I$($(m)_DIR)) -Iruntime -Itests/unit -isystem $(GEN)
UNIT_TESTS := $(patsubst tests/unit/%.c,$(B)/unit/bin/%,$(sort $(wildcard tests/unit/test-*.c)))
FUZZERS := $(patsubst tests/fuzz/%.c,$(B)/fuzz/bin/%,$(sort $(wildcard tests/fuzz/fuzz-*.c)))

$(foreach f,unit fuzz,$(foreach m,$(MODULES),$(eval \
	$(B)/$(f)/lib$(m).a: $(call library,$(f),$(m)) $(if $(filter shim,$(m)),$(B)/$(f)/gen/shim-api.pb-c.o) ; @rm -f $$@ && ar rcs $$@ $$^)))

# A test links whole modules, in the order of the arrows; unused objects are left out by the linker.
# WRAP_TEST names functions that the test replaces (__wrap_NAME) for all of our code.
WRAP_test-anomaly := malloc calloc realloc
WRAP_test-io-workers := fallocate64 fdatasync syscall
TEST_LIBS = $(foreach m,shim cli ctr plan host oci-spec monitor vmm fsd netd rootfs virtq proto lib,$(B)/$(1)/lib$(m).a)

# The fuzz targets once more, for the unit test that replays their corpora.
FUZZ_NAMES := $(patsubst tests/fuzz/fuzz-%.c,%,$(sort $(wildcard tests/fuzz/fuzz-*.c)))
$(B)/unit/fuzz/%.o: tests/fuzz/%.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC_unit) $(CFLAGS_unit) $(ALL_INCLUDES) -MMD -MP \
		-DLLVMFuzzerTestOneInput=$(subst -,_,$*) -c -o $@ $<
# The seeds are written at build time: no binary is in git.
$(B)/corpus: tests/fuzz/mk-corpus $(wildcard tests/corpus/*/*)
	@rm -rf $@
	$(Q)tests/fuzz/mk-corpus $@
$(B)/unit/bin/test-corpus: $(B)/corpus
$(B)/unit/bin/test-corpus: $(FUZZ_NAMES:%=$(B)/unit/fuzz/fuzz-%.o)
$(B)/unit/bin/test-corpus: TEST_FLAGS = -DCORPUS='"$(abspath $(B))/corpus"' \
	-D'TARGETS(T)=$(foreach n,$(subst -,_,$(FUZZ_NAMES)),T($(n)))'

$(B)/unit/bin/%: tests/unit/%.c $(call TEST_LIBS,unit)
	@mkdir -p $(@D)
	$(Q)$(CC_unit) $(CFLAGS_unit) $(ALL_INCLUDES) $(TEST_FLAGS) -MMD -MP -o $@ $< $(filter %.o,$^) \
		$(foreach f,$(WRAP_$*),-Wl,--wrap=$(f)) \
		-Wl,--start-group $(call TEST_LIBS,unit) -Wl,--end-group -lcmocka -lyajl -lseccomp -lcap -lpthread -lprotobuf-c

$(B)/fuzz/bin/%: tests/fuzz/%.c $(call TEST_LIBS,fuzz)
	@mkdir -p $(@D)
	$(Q)$(CC_fuzz) $(CFLAGS_fuzz) -fsanitize=fuzzer $(ALL_INCLUDES) -MMD -MP -o $@ $< \
		-Wl,--start-group $(call TEST_LIBS,fuzz) -Wl,--end-group -lyajl -lseccomp -lcap -lpthread -lprotobuf-c

unit-binaries: $(UNIT_TESTS)
fuzz-binaries: $(FUZZERS)
.PHONY: unit-binaries fuzz-binaries
unit: $(UNIT_TESTS) ## unit tests under ASan and UBSan (no root, no KVM)
	scripts/run-units $(UNIT_TESTS)
fuzz: $(FUZZERS) $(B)/corpus ## fuzz every parser of foreign bytes, SECONDS=60 each
	scripts/run-fuzz --corpus $(B)/corpus --seconds $(or $(SECONDS),60) $(FUZZERS)

clang: $(foreach m,$(MODULES),$(patsubst %.c,$(B)/clang/%.o,$(call sources,$(m)))) ## clang, warnings as errors
style: ## formatter, linters, size limits
	scripts/style

clean: ## remove build/ (the kernel cache stays)
	rm -rf $(B)

help: ## this text
	@echo "nestbox $(VERSION): make targets"
	@sed -n 's/^\([a-z-]*\):.*## /  \1\t/p' Makefile | expand -t 14
	@echo "Variables: PREFIX DESTDIR NESTBOX_CACHE V=1"

-include $(shell find $(B) -name '*.d' 2>/dev/null)
