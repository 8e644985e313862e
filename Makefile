# SPDX-License-Identifier: GPL-3.0-or-later
# bitbudget: `make run` and `make check` are all that a new machine needs; `make help` lists the rest.

VERSION  := $(shell sed -n 's/^.define BB_VERSION "\(.*\)"/\1/p' src/bitbudget.h)
SONAME   := libbitbudget.so.0

prefix     ?= /usr/local
bindir     ?= $(prefix)/bin
libdir     ?= $(prefix)/lib
includedir ?= $(prefix)/include
datadir    ?= $(prefix)/share
mandir     ?= $(prefix)/share/man
DESTDIR    ?=

# Everything that is built goes under B, so that builds with other flags can stand side by side.
B   ?= build
# make has a CC of its own: only one that the user gave counts
ifeq ($(origin CC),default)
CC := gcc
endif
# V=1 shows the commands
V   ?= 0
Q   := $(if $(filter 1,$(V)),,@)
say  = $(if $(filter 1,$(V)),,@printf '  %-4s %s\n' '$(1)' '$@';)
BB_SHARED ?= ../shared
export BB_SHARED

CFLAGS   ?= -O2 -g
WARN     := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wcast-qual \
            -Wwrite-strings -Wvla -Wformat=2 -Wundef -Wnull-dereference -Wdouble-promotion
HARDEN   := -fstack-protector-strong -fstack-clash-protection -fno-common
FORTIFY  ?= -D_FORTIFY_SOURCE=2
# No contraction and no fast-math: results are the same bits on every machine (specs in bitbudget(7)).
FLOAT    := -ffp-contract=off -fno-fast-math
ALL_CFLAGS = -std=c11 $(CFLAGS) $(WARN) $(WERROR) $(HARDEN) $(FLOAT) -fPIC -pthread
ALL_CPPFLAGS = -D_POSIX_C_SOURCE=200809L -D_XOPEN_SOURCE=700 $(FORTIFY) -DBB_DATADIR='"$(datadir)/bitbudget"' -Isrc $(CPPFLAGS)
ALL_LDFLAGS = -Wl,-z,relro,-z,now -pthread $(LDFLAGS)

LIB_ROOMS := base format file model graph quant kernel measure infer plan study report
APP_ROOMS := cli tui
LIB_SRC   := $(foreach r,$(LIB_ROOMS),$(sort $(wildcard src/$(r)/*.c)))
APP_SRC   := $(foreach r,$(APP_ROOMS),$(sort $(wildcard src/$(r)/*.c)))
DATA      := $(sort $(wildcard data/*.csv))
GEN_SRC   := $(patsubst data/%.csv,$(B)/gen/data_%.c,$(DATA))
LIB_OBJ   := $(LIB_SRC:src/%.c=$(B)/obj/%.o) $(GEN_SRC:$(B)/gen/%.c=$(B)/obj/gen/%.o)
APP_OBJ   := $(APP_SRC:src/%.c=$(B)/obj/%.o)

LIB_LIBS  := -ljansson -lcsv -lgsl -lgslcblas -ldl -lm
APP_LIBS  := -lncursesw -ltinfo
TEST_LIBS := -lcheck -lsubunit -lrt -lmpfr -lgmp

UNIT_SRC := $(sort $(wildcard tests/unit/*/test_*.c))
UNIT_BIN := $(UNIT_SRC:tests/%.c=$(B)/tests/%)
FUZZ_SRC := $(sort $(wildcard tests/fuzz/*.c))
FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(filter tests/fuzz/fuzz_%,$(FUZZ_SRC)))
FUZZ_BIN   := $(FUZZ_NAMES:%=$(B)/tests/fuzz/replay_%)
FUZZ_TAP   := $(FUZZ_NAMES:%=$(B)/tests/fuzz/%.t)
FUZZ_SECONDS ?= 60
TUI_DRIVER := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/golden/tui/driver.c))
SH_TESTS := $(sort $(filter-out %/screenshot.sh,$(wildcard tests/arch/*.sh tests/corpus/*.sh tests/golden/*.sh \
            tests/install/*.sh tests/man/*.sh tests/man/*.pl tests/model/*.sh tests/term/*.sh)))

.PHONY: all lib run check check-slow check-peers bench asan lint fuzz install uninstall dist deps deps-check clean help \
        screenshot build-all format check-all tests-all lint-format lint-gcc lint-clang lint-tidy lint-cppcheck lint-man
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:

all: deps
	@$(MAKE) --no-print-directory build-all

build-all: $(B)/bitbudget lib

lib: $(B)/libbitbudget.a $(B)/$(SONAME) $(B)/bitbudget.pc

help:
	@echo 'make run         install what is missing, build, start the program'
	@echo 'make check       install what the tests need, run them all'
	@echo 'make all lib     the program and the libraries, under $(B)/'
	@echo 'make check-slow  the exhaustive tests;  make check-peers: against other programs, where they are found'
	@echo 'make bench       speed, as ratios to this machine'\''s roof'
	@echo 'make asan        the tests under AddressSanitizer and UBSan;  make lint: compilers, tidy, format, man pages'
	@echo 'make fuzz        libFuzzer targets, FUZZ_SECONDS each (default 60)'
	@echo 'make screenshot  the picture of the README'
	@echo 'make install     DESTDIR= prefix=$(prefix);  make uninstall removes exactly what it put there'
	@echo 'make deps deps-check dist clean'

deps:
	@sh .ci/deps run
deps-check:
	@sh .ci/deps run check

run: deps
	@$(MAKE) --no-print-directory build-all >&2
	@if [ -t 0 ] && [ -t 1 ]; then exec $(B)/bitbudget; \
	else exec $(B)/bitbudget plan llama-3.1-8b --weights q4_K_M --gpu 'RTX 4090'; fi

# ---- objects --------------------------------------------------------------------------------------------------------

$(B)/obj/%.o: src/%.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/obj/gen/%.o: $(B)/gen/%.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

# A table of data/ as a string: const char bb_data_NAME[] and its length.
$(B)/gen/data_%.c: data/%.csv Makefile
	@mkdir -p $(@D)
	@{ echo '#include <stddef.h>'; \
	   echo 'extern const unsigned char bb_data_$*[]; extern const size_t bb_data_$*_size;'; \
	   echo 'const unsigned char bb_data_$*[] = {'; od -An -v -tu1 $< | sed 's/  */,/g; s/^,//; s/$$/,/'; echo '0};'; \
	   echo 'const size_t bb_data_$*_size = sizeof bb_data_$* - 1;'; } > $@

$(B)/libbitbudget.a: $(LIB_OBJ)
	@rm -f $@
	$(call say,AR)
	$(Q)$(AR) rcs $@ $^

$(B)/$(SONAME): $(LIB_OBJ) src/bitbudget.map
	$(call say,LD)
	$(Q)$(CC) -shared -Wl,-soname,$(SONAME) -Wl,--version-script=src/bitbudget.map $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(LIB_OBJ) $(LIB_LIBS)
	@ln -sf $(SONAME) $(B)/libbitbudget.so

# All of the program but main(), so that tests can link it.
$(B)/libapp.a: $(filter-out $(B)/obj/cli/main.o,$(APP_OBJ))
	@rm -f $@
	$(call say,AR)
	$(Q)$(AR) rcs $@ $^

$(B)/bitbudget: $(B)/obj/cli/main.o $(B)/libapp.a $(B)/libbitbudget.a
	$(call say,LD)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -pie -o $@ $^ $(APP_LIBS) $(LIB_LIBS)

# Made anew each time: it holds the prefix of this call.
.PHONY: FORCE
$(B)/bitbudget.pc: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' 'prefix=$(prefix)' 'libdir=$(libdir:$(prefix)%=$${prefix}%)' 'includedir=$(includedir:$(prefix)%=$${prefix}%)' '' 'Name: bitbudget' \
	  'Description: memory planning and precision analysis of language models' 'Version: $(VERSION)' \
	  'Requires.private: jansson gsl' 'Libs: -L$${libdir} -lbitbudget' 'Libs.private: -lcsv -lm -pthread' \
	  'Cflags: -I$${includedir}' > $@

# ---- tests ----------------------------------------------------------------------------------------------------------

$(B)/tests/unit/%: tests/unit/%.c $(B)/libapp.a $(B)/libbitbudget.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(ALL_CPPFLAGS) -Itests/unit $(ALL_CFLAGS) $(ALL_LDFLAGS) -MMD -MP -MF $@.d -MT $@ -o $@ $< $(B)/libapp.a $(B)/libbitbudget.a $(TEST_LIBS) $(APP_LIBS) $(LIB_LIBS)

# Tests that are programs or scripts, run by prove. BB_BIN is the program under test.
define run-tests
	@mkdir -p $(B)/tests
	BB_BIN=$(B)/bitbudget BB_BUILD=$(B) LC_ALL=C.UTF-8 TZ=UTC NO_COLOR= prove --exec '' $(1)
endef

check: deps-check
	@$(MAKE) --no-print-directory check-all

check-all: build-all tests-all
	$(call run-tests,$(UNIT_BIN) $(FUZZ_TAP) $(SH_TESTS))

tests-all: $(UNIT_BIN) $(FUZZ_BIN) $(FUZZ_TAP) $(TUI_DRIVER)

$(B)/tests/golden/tui/driver: tests/golden/tui/driver.c $(B)/libapp.a $(B)/libbitbudget.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(APP_LIBS) $(LIB_LIBS)

# The same tests with everything they can take minutes for.
check-slow: deps-check
	@BB_SLOW=1 $(MAKE) --no-print-directory check-all

PEER_TESTS := $(sort $(wildcard tests/peer/*.sh))
PEER_BIN   := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/peer/*.c))
check-peers: all peer $(PEER_BIN)
	$(call run-tests,$(PEER_TESTS))

# llama.cpp v0.5.0's own libraries, under $(B): from npm, once, where npm is there; without them the tests skip.
PEER := @node-llama-cpp/linux-x64@3.22.1
.PHONY: peer
peer:
	@mkdir -p $(B)/peer
	@[ -n "$$GGML_DIR" ] || [ -d $(B)/peer/node_modules ] || ! command -v npm >/dev/null || \
	  npm install --silent --no-audit --no-fund --no-save --ignore-scripts --prefix $(B)/peer $(PEER) || \
	  echo 'the peer could not be installed: its tests skip' >&2

# programs that load a peer at run time and say so where it is not
$(B)/tests/peer/%: tests/peer/%.c $(B)/libbitbudget.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS) -MMD -MP -MF $@.d -MT $@ -o $@ $< $(B)/libbitbudget.a $(LIB_LIBS) -ldl

bench: all peer $(PEER_BIN)
	@for b in $(sort $(wildcard tests/bench/*.sh)); do BB_BIN=$(B)/bitbudget BB_BUILD=$(B) sh $$b || exit 1; done

SAN := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
asan:
	@ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 \
	  BB_SANITIZED=1 $(MAKE) --no-print-directory B=$(B)/asan CFLAGS='-O1 -g $(SAN)' FORTIFY= WERROR=-Werror check-all

# ---- fuzzing: with clang a fuzzer, with any compiler a replay of the corpus as a test --------------------------------


$(B)/tests/fuzz/replay_%: tests/fuzz/fuzz_%.c tests/fuzz/replay.c $(B)/libbitbudget.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS) -Wno-missing-prototypes -o $@ $^ $(LIB_LIBS)

$(B)/tests/fuzz/%.t: $(B)/tests/fuzz/replay_%
	@printf '#!/bin/sh\nexec %s tests/fuzz/corpus/%s\n' $< $* > $@ && chmod +x $@

fuzz:
	@sh .ci/deps run lint
	@$(MAKE) --no-print-directory B=$(B)/fuzz CC=clang CFLAGS='-O1 -g -fsanitize=fuzzer-no-link,address,undefined' FORTIFY= \
	  $(FUZZ_NAMES:%=fuzz-%)

fuzz-%: $(B)/libbitbudget.a
	@mkdir -p $(B)/found/$* $(B)/corpus/$*
	$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -fsanitize=fuzzer -Wno-missing-prototypes -o $(B)/fuzz_$* tests/fuzz/fuzz_$*.c $(B)/libbitbudget.a $(LIB_LIBS)
	$(B)/fuzz_$* -max_total_time=$(FUZZ_SECONDS) -timeout=5 -rss_limit_mb=512 -print_final_stats=1 \
	  -artifact_prefix=$(B)/found/$*/ $(B)/corpus/$* tests/fuzz/corpus/$*

# ---- lint -----------------------------------------------------------------------------------------------------------

C_FILES := $(sort $(wildcard src/*.h src/*/*.[ch] tests/unit/*.h tests/unit/*/*.[ch] tests/fuzz/*.c tests/golden/tui/*.c tests/peer/*.[ch]))

lint: lint-format lint-gcc lint-clang lint-tidy lint-cppcheck lint-man

lint-format:
	clang-format --dry-run -Werror $(C_FILES)

format:
	clang-format -i $(C_FILES)

lint-gcc:
	@$(MAKE) --no-print-directory B=$(B)/lint-gcc CC=gcc WERROR=-Werror build-all tests-all

lint-clang:
	@$(MAKE) --no-print-directory B=$(B)/lint-clang CC=clang WERROR=-Werror build-all tests-all

lint-tidy:
	@found=$$(clang-tidy --quiet $(LIB_SRC) $(APP_SRC) -- -std=c11 $(ALL_CPPFLAGS) 2>/dev/null); status=$$?; \
	  [ -z "$$found" ] || printf '%s\n' "$$found"; exit $$status

lint-cppcheck:
	cppcheck --quiet --error-exitcode=1 --std=c11 --inline-suppr --enable=warning,portability -D__GNUC__=12 -Isrc \
	  --suppress=missingIncludeSystem src

lint-man:
	@for p in $(MAN); do mandoc -T lint -W warning $$p || exit 1; done

# ---- the picture of the README --------------------------------------------------------------------------------------

screenshot: all
	BB_BIN=$(B)/bitbudget sh tests/term/screenshot.sh > tests/data/screenshot/plan.svg

# ---- install --------------------------------------------------------------------------------------------------------

MAN := $(sort $(wildcard man/*.[1-9]))
SHIPPED := $(sort $(wildcard data/*))

install: all
	install -d $(DESTDIR)$(bindir) $(DESTDIR)$(libdir)/pkgconfig $(DESTDIR)$(includedir) $(DESTDIR)$(datadir)/bitbudget
	install -m 755 $(B)/bitbudget $(DESTDIR)$(bindir)/bitbudget
	install -m 644 $(B)/libbitbudget.a $(DESTDIR)$(libdir)/libbitbudget.a
	install -m 755 $(B)/$(SONAME) $(DESTDIR)$(libdir)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(libdir)/libbitbudget.so
	install -m 644 src/bitbudget.h $(DESTDIR)$(includedir)/bitbudget.h
	install -m 644 $(B)/bitbudget.pc $(DESTDIR)$(libdir)/pkgconfig/bitbudget.pc
	install -m 644 $(SHIPPED) $(DESTDIR)$(datadir)/bitbudget/
	for p in $(MAN); do s=$${p##*.}; install -d $(DESTDIR)$(mandir)/man$$s && \
	  install -m 644 $$p $(DESTDIR)$(mandir)/man$$s/ || exit 1; done

# Exactly what install puts there; folders of our own go when they are empty.
uninstall:
	rm -f $(DESTDIR)$(bindir)/bitbudget $(DESTDIR)$(libdir)/libbitbudget.a $(DESTDIR)$(libdir)/$(SONAME) \
	  $(DESTDIR)$(libdir)/libbitbudget.so $(DESTDIR)$(includedir)/bitbudget.h $(DESTDIR)$(libdir)/pkgconfig/bitbudget.pc
	rm -f $(SHIPPED:data/%=$(DESTDIR)$(datadir)/bitbudget/%)
	for p in $(MAN); do rm -f $(DESTDIR)$(mandir)/man$${p##*.}/$${p##*/}; done
	-rmdir $(DESTDIR)$(datadir)/bitbudget 2>/dev/null || true

dist:
	@mkdir -p $(B)
	git archive --format=tar.gz --prefix=bitbudget-$(VERSION)/ -o $(B)/bitbudget-$(VERSION).tar.gz HEAD
	@echo $(B)/bitbudget-$(VERSION).tar.gz

clean:
	rm -rf $(B)

-include $(LIB_OBJ:.o=.d) $(APP_OBJ:.o=.d) $(UNIT_BIN:=.d) $(PEER_BIN:=.d)
