#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# install.sh - install and uninstall in a folder of their own; a program built against what was installed runs.
set -u
build=${BB_BUILD:-build}
t=$(mktemp -d) || exit 1
trap 'rm -rf "$t"' EXIT
n=0
ok() { # condition result, name
    n=$((n + 1))
    if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}
if [ -n "${BB_SANITIZED:-}" ]; then echo '1..0 # SKIP the installed library is tested without sanitizers'; exit 0; fi
echo 1..7
make -s B="$build" DESTDIR="$t/root" prefix=/opt/bb install >"$t/log" 2>&1
ok $? 'make install'
(cd "$t/root" && find . -type f -o -type l | sort) >"$t/files"
missing=
for f in bin/bitbudget lib/libbitbudget.a lib/libbitbudget.so lib/libbitbudget.so.0 include/bitbudget.h \
    lib/pkgconfig/bitbudget.pc share/bitbudget/demo.gguf share/bitbudget/models.csv share/man/man1/bitbudget.1 \
    share/man/man3/libbitbudget.3 share/man/man5/bitbudget.5 share/man/man7/bitbudget.7; do
    grep -qx "./opt/bb/$f" "$t/files" || missing="$missing $f"
done
[ -z "$missing" ]; ok $? "everything is there$missing"

cat >"$t/use.c" <<'C'
#include <bitbudget.h>
#include <stdio.h>
int main(void) {
    const bb_format *f = bb_format_find("bf16", NULL);
    uint64_t code = 0;
    if (!f || bb_format_encode(f, 3.14159265358979, NULL, &code, NULL) != BB_OK) return 1;
    printf("%s %04llX %g\n", bb_version(), (unsigned long long)code, bb_format_decode(f, code));
    return 0;
}
C
flags=$(PKG_CONFIG_PATH="$t/root/opt/bb/lib/pkgconfig" pkg-config --define-variable=prefix="$t/root/opt/bb" --cflags --libs bitbudget)
# shellcheck disable=SC2086 # flags are words
gcc -std=c11 -Wall -Wextra -Wpedantic -Werror -o "$t/use" "$t/use.c" $flags 2>"$t/log"
ok $? 'a program compiles against the installed header and library'
out=$(LD_LIBRARY_PATH="$t/root/opt/bb/lib" "$t/use")
[ "${out#* }" = '4049 3.14062' ]; ok $? "and runs: $out"
if command -v g++ >/dev/null 2>&1; then
    printf '#include <bitbudget.h>\nint main() { return bb_status_exit(BB_OK); }\n' >"$t/use.cc"
    # shellcheck disable=SC2086
    g++ -Wall -Wextra -Werror -fsyntax-only "$t/use.cc" $flags 2>"$t/log"; ok $? 'the header is C++ too'
else
    n=$((n + 1)); echo "ok $n - the header is C++ too # SKIP no g++"
fi
(cd / && "$t/root/opt/bb/bin/bitbudget" rule 1b >"$t/out" 2>&1); ok $? 'the installed program runs elsewhere'
touch "$t/root/opt/bb/lib/other.so"
make -s B="$build" DESTDIR="$t/root" prefix=/opt/bb uninstall >"$t/log" 2>&1
left=$(cd "$t/root" && find . -type f -o -type l)
[ "$left" = ./opt/bb/lib/other.so ] && [ ! -d "$t/root/opt/bb/share/bitbudget" ]; ok $? "make uninstall leaves what is not ours: $left"
