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
CC  ?= gcc
AR  ?= ar
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
ALL_CPPFLAGS = -D_POSIX_C_SOURCE=200809L -D_XOPEN_SOURCE=700 $(FORTIFY) -Isrc -I$(B)/gen $(CPPFLAGS)
ALL_LDFLAGS = -Wl,-z,relro,-z,now -pthread $(LDFLAGS)

LIB_ROOMS := base format file model graph quant kernel measure plan study report
APP_ROOMS := cli tui
LIB_SRC   := $(foreach r,$(LIB_ROOMS),$(sort $(wildcard src/$(r)/*.c)))
APP_SRC   := $(foreach r,$(APP_ROOMS),$(sort $(wildcard src/$(r)/*.c)))
DATA      := $(sort $(wildcard data/*.csv))
GEN_SRC   := $(patsubst data/%.csv,$(B)/gen/data_%.c,$(DATA))
LIB_OBJ   := $(LIB_SRC:src/%.c=$(B)/obj/%.o) $(GEN_SRC:$(B)/gen/%.c=$(B)/obj/gen/%.o)
APP_OBJ   := $(APP_SRC:src/%.c=$(B)/obj/%.o)

LIB_LIBS  := -ljansson -lcsv -lgsl -lgslcblas -lm
APP_LIBS  := -lncursesw -ltinfo
TEST_LIBS := -lcheck -lsubunit -lrt -lmpfr -lgmp

UNIT_SRC := $(sort $(wildcard tests/unit/*/test_*.c))
UNIT_BIN := $(UNIT_SRC:tests/%.c=$(B)/tests/%)
FUZZ_SRC := $(sort $(wildcard tests/fuzz/*.c))
SH_TESTS := $(sort $(wildcard tests/arch/*.sh tests/golden/*.sh tests/term/*.sh tests/man/*.sh tests/install/*.sh))

.PHONY: all lib run check check-slow check-peers bench asan lint fuzz install uninstall dist deps deps-check clean help \
        screenshot build-all format
.DELETE_ON_ERROR:
.SUFFIXES:

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
	$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/obj/gen/%.o: $(B)/gen/%.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

# A table of data/ as a string: const char bb_data_NAME[] and its length.
$(B)/gen/data_%.c: data/%.csv Makefile
	@mkdir -p $(@D)
	@{ echo '#include <stddef.h>'; \
	   echo 'extern const unsigned char bb_data_$*[]; extern const size_t bb_data_$*_size;'; \
	   echo 'const unsigned char bb_data_$*[] = {'; od -An -v -tu1 $< | sed 's/  */,/g; s/^,//; s/$$/,/'; echo '0};'; \
	   echo 'const size_t bb_data_$*_size = sizeof bb_data_$* - 1;'; } > $@

$(B)/libbitbudget.a: $(LIB_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

$(B)/$(SONAME): $(LIB_OBJ) src/bitbudget.map
	$(CC) -shared -Wl,-soname,$(SONAME) -Wl,--version-script=src/bitbudget.map $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(LIB_OBJ) $(LIB_LIBS)
	@ln -sf $(SONAME) $(B)/libbitbudget.so

$(B)/bitbudget: $(APP_OBJ) $(B)/libbitbudget.a
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -pie -o $@ $^ $(APP_LIBS) $(LIB_LIBS)

$(B)/bitbudget.pc: Makefile src/bitbudget.h
	@mkdir -p $(@D)
	@printf '%s\n' 'prefix=$(prefix)' 'libdir=$(libdir)' 'includedir=$(includedir)' '' 'Name: bitbudget' \
	  'Description: memory planning and precision analysis of language models' 'Version: $(VERSION)' \
	  'Requires.private: jansson gsl' 'Libs: -L$${libdir} -lbitbudget' 'Libs.private: -lcsv -lm -pthread' \
	  'Cflags: -I$${includedir}' > $@

# ---- tests ----------------------------------------------------------------------------------------------------------

$(B)/tests/unit/%: tests/unit/%.c $(B)/libbitbudget.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CPPFLAGS) -Itests/unit $(ALL_CFLAGS) $(ALL_LDFLAGS) -MMD -MP -MF $@.d -MT $@ -o $@ $< $(B)/libbitbudget.a $(TEST_LIBS) $(LIB_LIBS)

-include $(LIB_OBJ:.o=.d) $(APP_OBJ:.o=.d) $(UNIT_BIN:=.d)
