# Makefile -- builds, tests and installs rupy-serve.  `make help` tells how.
#
# Sources are found by wildcard: a new file needs no line here.  What stands
# on what comes from src/LAYERS, what the interpreter needs from
# scripts/python-config; both are kept as fragments in $(BUILD).

PYTHON = python3
PREFIX = /usr/local
DESTDIR =
SANITIZE =
V = 0
FUZZ_SECONDS = 60

comma := ,
ifeq ($(origin CC),default)
CC = gcc
endif
CLANG = clang
PKG_CONFIG = pkg-config

# One build folder for each interpreter and each set of sanitizers.
ifeq ($(PYTHON),python3)
BASE := build
else
BASE := build/py$(shell $(PYTHON) -c \
	'import sys; print("%d.%d" % sys.version_info[:2])')
endif
BUILD := $(BASE)$(if $(SANITIZE),/sanitize-$(subst $(comma),-,$(SANITIZE)))
VENV := $(BASE)/venv
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

all:

ifeq ($(V),1)
Q =
say = @:
else
Q = @
say = @printf '  %-8s%s\n' $(1) '$(2)'
endif

# ---- the two fragments ----

# These must work before anything is installed.
PLAIN := bootstrap clean dist format fuzz help lint run test uninstall
ifneq ($(filter-out $(PLAIN),$(or $(MAKECMDGOALS),all)),)
PY_NOW := $(shell $(PYTHON) -c 'import sys; \
	print(getattr(sys, "_base_executable", None) or sys.executable)')
ifeq ($(PY_NOW),)
$(error $(PYTHON) does not run; try 'make bootstrap' or PYTHON=)
endif
-include $(BUILD)/python.mk
include $(BUILD)/layers.mk
ifneq ($(PY_EXECUTABLE),$(PY_NOW))
$(BUILD)/python.mk: FORCE
endif
endif

$(BUILD)/python.mk: scripts/python-config pyproject.toml
	$(call say,PYTHON,$(PY_NOW))
	@mkdir -p $(@D)
	$(Q)CC="$(CC)" $(PYTHON) scripts/python-config $@.new && mv $@.new $@

$(BUILD)/layers.mk: src/LAYERS scripts/check-layers
	@mkdir -p $(@D)
	$(Q)$(PYTHON) scripts/check-layers --make >$@.new && mv $@.new $@

# ---- flags ----

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wold-style-definition -Wpointer-arith -Wvla \
	-Wformat=2 -Wundef -Wno-missing-field-initializers
ifneq ($(filter true 1,$(CI) $(WERROR)),)
WARN += -Werror
endif

DEFINES = -D_GNU_SOURCE= -DRP_VERSION='"$(VERSION)"' \
	-DRP_PYTHON_EXECUTABLE='"$(PY_EXECUTABLE)"' \
	-DRP_PYTHON_PREFIX='"$(PY_PREFIX)"' -DRP_PYTHON_LINK='"$(PY_LINK)"'
# As system headers, so that their warnings are not ours.
BASIC = -std=c11 -Iinclude $(DEFINES) $(PY_CPPFLAGS) $(WARN) -g \
	-fPIC -fvisibility=hidden -fno-strict-aliasing -MMD -MP
HARDEN := -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3

ifneq ($(SANITIZE),)
LTO :=
OPT := -O1 -fsanitize=$(SANITIZE) -fno-sanitize-recover=all \
	-fno-omit-frame-pointer
CHECK_OPT := $(OPT)
else
# Others than gcc need more than a flag for it.
LTO := $(if $(findstring gcc,$(CC)),-flto=auto)
# What only assertions use is missed in builds with them, not here.
OPT := -O2 $(LTO) -DNDEBUG $(HARDEN) -Wno-unused-variable \
	-Wno-unused-const-variable -Wno-unused-but-set-variable \
	-Wno-unused-function -Wno-unused-parameter
# Unit tests keep their assertions, and link fast.
CHECK_OPT := -O1 $(HARDEN)
endif

LINK = $(CC) $(OPT) $(LDFLAGS) -Wl,-z,relro,-z,now -Wl,-z,noexecstack
LINK_CHECK = $(CC) $(CHECK_OPT) $(LDFLAGS)

# What an outside header of src/LAYERS is linked with.
LIB_ev.h := -lev
LIB_http_parser.h := -lhttp_parser
LIB_pcre2.h = $(or $(shell $(PKG_CONFIG) --libs libpcre2-8),-lpcre2-8)
LIB_zlib.h := -lz
LIB_openssl/ssl.h := -lssl -lcrypto
LIB_Python.h = $(PY_LIBS)
libs = $(foreach h,$(sort $(1)),$(LIB_$(h)))

# ---- the program and the extension ----

SRCS := $(wildcard src/*/*.c)
OBJS := $(SRCS:src/%.c=$(BUILD)/obj/%.o)
CORE_OBJS := $(filter-out $(BUILD)/obj/cli/%,$(OBJS))
OUTSIDE = $(sort $(foreach l,$(LAYERS),$(OUTSIDE_$(l))))
PROGRAM := $(BUILD)/rupy-serve
PY_SRCS := $(shell find rupy -type f ! -name '*.so' ! -name '*.pyc' \
	2>/dev/null)

# The package as the program of this build finds it: the checkout's, or a copy
# (not of links, which StaticFiles does not follow) with an extension of its
# own, so that a sanitizer build does not overwrite the one that everybody uses.
SITE := $(BUILD)/lib/rupy-serve
ifeq ($(BUILD),$(BASE))
EXT = rupy/_core$(PY_EXT_SUFFIX)
else
EXT = $(SITE)/rupy/_core$(PY_EXT_SUFFIX)
endif

all: $(if $(wildcard src/cli/*.c),$(PROGRAM)) \
	$(if $(wildcard src/ext/*.c),$(EXT)) $(BUILD)/site.stamp
extension: $(EXT)
objects: $(OBJS)

$(BUILD)/obj/%.o: src/%.c Makefile $(BUILD)/python.mk
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASIC) $(OPT) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(PROGRAM): $(OBJS)
	$(call say,LINK,$@ (libpython $(PY_LINK)))
	$(Q)$(LINK) $(PY_PIE) -Wl,--export-dynamic -o $@ $(OBJS) $(call libs,$(OUTSIDE))

# An extension leaves the interpreter's symbols to the interpreter.
$(EXT): $(CORE_OBJS) | $(BUILD)/site.stamp
	$(call say,LINK,$@)
	$(Q)$(LINK) -shared -o $@ $(CORE_OBJS) \
		$(call libs,$(filter-out Python.h,$(OUTSIDE)))

$(BUILD)/site.stamp: $(PY_SRCS) Makefile
	@mkdir -p $(SITE)
ifeq ($(BUILD),$(BASE))
	@ln -sfn $(CURDIR)/rupy $(SITE)/rupy
else
	@mkdir -p $(SITE)/rupy
	@find $(SITE)/rupy ! -type d ! -name '*.so' -delete
	@cd rupy && find . -type f ! -name '*.so' ! -name '*.pyc' | \
	while read -r f; do \
		mkdir -p "$(abspath $(SITE))/rupy/$${f%/*}"; \
		cp "$$f" "$(abspath $(SITE))/rupy/$$f"; \
	done
endif
	@touch $@

# ---- unit tests: no more is linked than the layer stands on ----

ifneq ($(SANITIZE),)
CHECK_OBJ := $(BUILD)/obj
else
CHECK_OBJ := $(BUILD)/check/obj
$(CHECK_OBJ)/%.o: src/%.c Makefile $(BUILD)/python.mk
	$(call say,CC,$< (check))
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASIC) $(CHECK_OPT) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<
endif

UNIT := $(wildcard tests/unit/*/test_*.c)
UNIT_PROGRAMS := $(UNIT:tests/unit/%.c=$(BUILD)/check/%)
# Fakes and helpers: what is not called test_*.c goes into each test of its
# folder, and from tests/unit itself into all.
UNIT_SHARED := $(wildcard tests/unit/*.c)
UNIT_OBJ := $(BUILD)/check/unit
CHECK_LIBS = $(shell $(PKG_CONFIG) --libs check)

$(UNIT_OBJ)/%.o: tests/unit/%.c Makefile $(BUILD)/python.mk
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASIC) $(CHECK_OPT) -Itests/unit $(CPPFLAGS) $(CFLAGS) \
		-c -o $@ $<

# $(1) is a folder of src/: its objects as an archive
define layer_rules
$(BUILD)/check/lib$(1).a: $(patsubst src/%.c,$(CHECK_OBJ)/%.o,\
		$(wildcard src/$(1)/*.c)) $(BUILD)/layers.mk
	@mkdir -p $$(@D) && rm -f $$@
	$$(Q)$(AR) rcs $$@ $$(filter %.o,$$^)
endef
$(foreach l,$(LAYERS),$(eval $(call layer_rules,$(l))))

# $(1) is a folder of tests/unit
define unit_rules
UNIT_HELP_$(1) := $(patsubst tests/unit/%.c,$(UNIT_OBJ)/%.o,$(UNIT_SHARED) \
	$(filter-out tests/unit/$(1)/test_%,$(wildcard tests/unit/$(1)/*.c)))
UNIT_LIBS_$(1) := $(foreach l,$(LAYERS_$(1)),$(BUILD)/check/lib$(l).a)
$(BUILD)/check/$(1)/test_%: $(UNIT_OBJ)/$(1)/test_%.o $$(UNIT_HELP_$(1)) \
		$$(UNIT_LIBS_$(1))
	$$(call say,LINK,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(LINK_CHECK) $$(if $$(filter Python.h,$$(OUTSIDE_$(1))),$$(PY_PIE)) \
		-o $$@ $$(filter %.o,$$^) -Wl,--start-group \
		$$(UNIT_LIBS_$(1)) -Wl,--end-group \
		$$(call libs,$$(OUTSIDE_$(1))) $$(CHECK_LIBS)
endef
$(foreach d,$(sort $(patsubst tests/unit/%/,%,$(dir $(UNIT)))),\
	$(eval $(call unit_rules,$(d))))

unit: $(UNIT_PROGRAMS)
check: unit
	@SANITIZE='$(SANITIZE)' $(PYTHON) scripts/run-tests unit $(UNIT_PROGRAMS)
.PRECIOUS: $(UNIT_OBJ)/%.o

# ---- other people's tests of asyncio loops, on ours ----

SUITE = PYTHONPATH='$(abspath $(SITE))' $(VENV)/bin/python -P
check-asyncio: extension $(BUILD)/site.stamp
	@$(ENV) scripts/bootstrap test
	$(call say,CHECK,test.test_asyncio)
	@$(SUITE) tests/py/asyncio_suite.py
	$(call say,CHECK,test.test_asyncio (debug mode))
	@$(SUITE) tests/py/asyncio_suite.py --debug
check-uvloop: extension $(BUILD)/site.stamp
	@$(ENV) scripts/bootstrap test
	$(call say,CHECK,tests of uvloop)
	@$(SUITE) tests/py/uvloop_suite.py

# ---- Autobahn's cases of WebSockets ----

check-autobahn: all
	@$(ENV) scripts/bootstrap test
	$(call say,CHECK,Autobahn)
	@RUPY_SERVE_BIN='$(abspath $(PROGRAM))' $(VENV)/bin/python \
		tests/ws/autobahn

# ---- signals without end, under load: nothing may be lost ----

STORM =
check-storm: all
	@$(ENV) scripts/bootstrap test
	$(call say,CHECK,storms)
	@RUPY_SERVE_BIN='$(abspath $(PROGRAM))' $(VENV)/bin/python \
		tests/ops/storm $(STORM)

# ---- clients that are slow, or do nothing, thousands of them ----

SLOW =
check-slow: all
	@$(ENV) scripts/bootstrap test
	@$(ENV) scripts/bootstrap slow
	$(call say,CHECK,slow clients)
	@RUPY_SERVE_BIN='$(abspath $(PROGRAM))' $(VENV)/bin/python \
		tests/ops/slow $(SLOW)

# ---- the units of scripts/deploy, under a systemd of their own ----

check-systemd: all
	@$(ENV) scripts/bootstrap test
	$(call say,CHECK,systemd)
	@$(VENV)/bin/python tests/ops/systemd

# ---- fuzzing: libFuzzer, or without clang's runtime a driver of our own ----

FUZZ := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_OBJ := $(BASE)/fuzz/obj
FUZZ_PROGRAMS := $(FUZZ:tests/fuzz/%.c=$(BASE)/fuzz/%)
# Everything that does no I/O with libev and knows no Python.
FUZZ_LAYERS = $(foreach l,$(LAYERS),\
	$(if $(filter ev.h Python.h,$(OUTSIDE_$(l))),,$(l)))
FUZZ_SRCS = $(foreach l,$(FUZZ_LAYERS),$(wildcard src/$(l)/*.c))
FUZZ_SAN := -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_FLAGS = -std=c11 -Iinclude $(DEFINES) -Wall -Wextra -g -O1 -MMD -MP $(FUZZ_SAN)

# Asked every time, as clang may have come since; written when it differs.
ifneq ($(filter fuzz-run fuzzers,$(MAKECMDGOALS)),)
include $(BASE)/fuzz.mk
endif
$(BASE)/fuzz.mk: FORCE
	@mkdir -p $(@D)
	@echo 'int LLVMFuzzerTestOneInput(const char *p, unsigned long n);' \
	'int LLVMFuzzerTestOneInput(const char *p, unsigned long n)' \
	'{ return p && n > 1000000; }' >$@.c
	@if $(CLANG) -fsanitize=fuzzer,address,undefined -o $@.try $@.c \
		2>/dev/null; then \
		echo 'FUZZ_CC := $(CLANG)'; \
		echo 'FUZZ_COMPILE := -fsanitize=fuzzer-no-link'; \
		echo 'FUZZ_LINK := -fsanitize=fuzzer'; \
	else \
		echo 'FUZZ_CC := $(CC)'; \
		echo 'FUZZ_DRIVER := $(FUZZ_OBJ)/driver.o'; \
	fi >$@.new
	@cmp -s $@.new $@ || mv $@.new $@
	@rm -f $@.c $@.try $@.new

$(FUZZ_OBJ)/src/%.o: src/%.c Makefile $(BASE)/fuzz.mk
	$(call say,CC,$< (fuzz))
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(FUZZ_FLAGS) $(FUZZ_COMPILE) -c -o $@ $<
$(FUZZ_OBJ)/%.o: tests/fuzz/%.c Makefile $(BASE)/fuzz.mk
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(FUZZ_FLAGS) $(FUZZ_COMPILE) -c -o $@ $<
$(BASE)/fuzz/librupy.a: $(FUZZ_SRCS:src/%.c=$(FUZZ_OBJ)/src/%.o)
	@mkdir -p $(@D) && rm -f $@
	$(Q)$(AR) rcs $@ $^
$(BASE)/fuzz/fuzz_%: $(FUZZ_OBJ)/fuzz_%.o $(BASE)/fuzz/librupy.a \
		$(FUZZ_DRIVER)
	$(call say,LINK,$@)
	$(Q)$(FUZZ_CC) $(FUZZ_SAN) $(FUZZ_LINK) -o $@ $(filter-out %.a,$^) \
		$(BASE)/fuzz/librupy.a \
		$(call libs,$(foreach l,$(FUZZ_LAYERS),$(OUTSIDE_$(l))))
.PRECIOUS: $(FUZZ_OBJ)/%.o

fuzzers: $(FUZZ_PROGRAMS)
fuzz:
	@$(ENV) scripts/bootstrap fuzz
	+@$(MAKE) --no-print-directory fuzz-run
fuzz-run: fuzzers
	@FUZZ_SECONDS=$(FUZZ_SECONDS) $(PYTHON) scripts/run-tests fuzz \
		$(FUZZ_PROGRAMS)

# ---- everything at once ----

ENV = BUILD='$(BUILD)' VENV='$(VENV)' PYTHON='$(PYTHON)' \
	SANITIZE='$(SANITIZE)' MAKE='$(MAKE)'
bootstrap:
	@$(ENV) scripts/bootstrap test
test:
	@$(ENV) scripts/bootstrap test
	+@$(ENV) $(PYTHON) scripts/run-tests all

run:
	@$(ENV) scripts/bootstrap build
	+@$(MAKE) --no-print-directory all
	@exec $(PROGRAM) rupy.examples.hello:app

# The yardstick.
$(BUILD)/bench/bare: tests/bench/bare.c Makefile
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE= $(WARN) -O2 $(LTO) -DNDEBUG $(HARDEN) -o $@ \
		$< $(LIB_ev.h) $(LIB_http_parser.h)

BENCH := run loop ws ws_many peers
bench: all $(BUILD)/bench/bare
	@$(ENV) scripts/bootstrap bench
	@for b in $(BENCH); do \
		BUILD='$(abspath $(BUILD))' PATH="$(CURDIR)/$(VENV)/bin:$$PATH" \
			tests/bench/$$b || exit 1; \
	done

# ---- lint ----

HEADERS := $(wildcard include/rupy/*/*.h)
C_FILES := $(SRCS) $(HEADERS) $(wildcard src/*/*.h) $(UNIT) $(FUZZ) \
	$(wildcard tests/unit/*.[ch] tests/unit/*/*.[ch] tests/fuzz/*.[ch])
PY_FOLDERS := scripts $(wildcard rupy tests)
LINTS := lint-includes lint-headers lint-format lint-man lint-python \
	lint-cppcheck lint-symbols

lint: lint-tools
	+@$(MAKE) --no-print-directory -j2 -k $(LINTS)
lint-tools:
	@$(ENV) scripts/bootstrap lint
lint-includes:
	$(call say,LINT,layers: includes)
	$(Q)$(PYTHON) scripts/check-layers
lint-symbols: objects
	$(call say,LINT,layers: symbols)
	$(Q)$(PYTHON) scripts/check-layers $(BUILD)/obj
format:
	$(Q)clang-format -i $(sort $(C_FILES))
	$(Q)$(VENV)/bin/ruff format -q $(PY_FOLDERS)
lint-headers:
	$(call say,LINT,headers alone)
	$(Q)CC='$(CC)' $(PYTHON) scripts/check-headers \
		$(filter-out -MMD -MP,$(BASIC)) -- $(HEADERS)
lint-format:
	$(call say,LINT,format)
	$(Q)clang-format --dry-run -Werror $(sort $(C_FILES))
# Python.h expands to thousands of configurations and no findings of ours.
CPPCHECK := --std=c11 --quiet --inline-suppr --error-exitcode=1 \
	--enable=warning,performance,portability --max-configs=1 \
	--suppress=missingIncludeSystem --library=posix,gnu,python
lint-cppcheck:
	$(call say,LINT,cppcheck)
	@mkdir -p $(BUILD)/cppcheck
	$(Q)cppcheck $(CPPCHECK) --cppcheck-build-dir=$(BUILD)/cppcheck \
		-j2 -Iinclude $(DEFINES) -DPY_VERSION_HEX=0x030b0000 \
		-DPySendResult=int $(SRCS)
lint-python:
	$(call say,LINT,ruff and mypy)
	$(Q)$(VENV)/bin/ruff check -q $(PY_FOLDERS)
	$(Q)$(VENV)/bin/ruff format -q --check $(PY_FOLDERS)
ifneq ($(wildcard rupy/*.py),)
	$(Q)$(VENV)/bin/mypy --no-error-summary
endif
lint-man:
	$(call say,LINT,manuals)
	$(Q)$(if $(wildcard man/*.[1-9]),mandoc -Tlint -Wwarning man/*.[1-9])

# ---- install ----

BINDIR = $(DESTDIR)$(PREFIX)/bin
MANDIR = $(DESTDIR)$(PREFIX)/share/man
PKGDIR = $(DESTDIR)$(PREFIX)/lib/rupy-serve

install: all
	$(call say,INSTALL,$(DESTDIR)$(PREFIX))
	$(Q)install -d $(BINDIR) $(MANDIR)/man1 $(MANDIR)/man7 $(PKGDIR)
	$(Q)install $(PROGRAM) $(BINDIR)/rupy-serve
	$(Q)$(if $(wildcard man/*.1),install -m 644 man/*.1 $(MANDIR)/man1)
	$(Q)$(if $(wildcard man/*.5),install -m 644 man/*.5 $(MANDIR)/man5)
	$(Q)$(if $(wildcard man/*.7),install -m 644 man/*.7 $(MANDIR)/man7)
	$(Q)for f in $(PY_SRCS); do \
		install -D -m 644 "$$f" "$(PKGDIR)/$$f" || exit 1; done
	$(Q)$(if $(wildcard src/ext/*.c),install $(EXT) $(PKGDIR)/rupy/)
uninstall:
	$(call say,REMOVE,$(DESTDIR)$(PREFIX))
	$(Q)rm -f $(BINDIR)/rupy-serve
	$(Q)cd $(MANDIR) 2>/dev/null && rm -f \
		$(foreach m,$(notdir $(wildcard man/*.1)),man1/$(m)) \
		$(foreach m,$(notdir $(wildcard man/*.5)),man5/$(m)) \
		$(foreach m,$(notdir $(wildcard man/*.7)),man7/$(m)) || :
	$(Q)rm -rf $(PKGDIR)
dist:
	$(call say,DIST,rupy-serve-$(VERSION).tar.gz)
	@mkdir -p $(BUILD)
	$(Q)git archive --format=tar.gz --prefix=rupy-serve-$(VERSION)/ \
		-o $(BUILD)/rupy-serve-$(VERSION).tar.gz HEAD
clean:
	rm -rf build
	rm -f rupy/_core*.so

define HELP
make [target] [knob=value]

  all        the program $(BUILD)/rupy-serve and the extension rupy/_core*.so
  extension  only that, as wheels need it
  run        what is missing from Debian, all, then the hello example
  check      unit tests (tests/unit), each linked with the layers below only
  test       bootstrap, all, check, pytest, a short fuzz; 'N passed, N failed'
  check-asyncio  the interpreter's own tests of asyncio, on rupy.EventLoop
  check-uvloop   uvloop's tests of asyncio loops, downloaded by pip
  check-autobahn  all of Autobahn's cases of WebSockets (ten minutes)
  check-slow      slow and idle clients: what others notice, and what they cost
  check-storm     signals without end under load; STORM='--app asgi hup'
  check-systemd   the units of scripts/deploy under a real systemd (root)
  fuzz       each tests/fuzz/fuzz_*.c for FUZZ_SECONDS (60)
  bench      tests/bench/run, loop, ws, ws_many and peers, beside other servers
  lint       layers, headers, format, cppcheck, ruff, mypy, manuals
  format     clang-format over all C files, ruff format over all of Python
  bootstrap  install the missing packages; $(VENV) for the tests
  install    program, manuals and package under DESTDIR/PREFIX
  uninstall  takes away what install put there
  dist       $(BUILD)/rupy-serve-$(VERSION).tar.gz of the last commit
  clean      removes build/ and the extension
  help       this

  BUILD=$(BUILD)  where objects go; another folder gets its own extension
  SANITIZE=       address,undefined or thread; builds in build/sanitize-...
  V=0             1: show whole commands
  DESTDIR=        put in front of PREFIX when installing, for packagers
  PREFIX=$(PREFIX)  the program looks for its package beside itself
  PYTHON=$(PYTHON)  interpreter to embed; others than python3 build in build/pyX.Y
  CC= CFLAGS= CPPFLAGS= LDFLAGS= CLANG= PKG_CONFIG=   as everywhere
  WERROR=1        or CI=true: warnings are errors

  Makefile              this; sources are found by wildcard
  src/LAYERS            which folder stands on which
  scripts/bootstrap     packages          scripts/run-tests      runs and counts
  scripts/python-config libpython         scripts/check-layers   holds LAYERS
  scripts/check-headers headers alone     scripts/top-functions  longest ones
  scripts/wheel_backend.py  pip wheel .   tests/requirements.txt tests' packages
endef
export HELP
help:
	@printf '%s\n' "$$HELP"

FORCE:
.DELETE_ON_ERROR:
.PHONY: all bench bootstrap check check-asyncio check-autobahn check-slow check-storm check-systemd \
	check-uvloop clean dist extension format fuzz fuzz-run fuzzers help install lint \
	lint-tools objects run test uninstall unit $(LINTS) FORCE

-include $(OBJS:.o=.d) $(wildcard $(BUILD)/check/obj/*/*.d) \
	$(wildcard $(UNIT_OBJ)/*.d $(UNIT_OBJ)/*/*.d) \
	$(wildcard $(FUZZ_OBJ)/*.d $(FUZZ_OBJ)/src/*/*.d)
