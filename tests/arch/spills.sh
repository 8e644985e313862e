#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# spills.sh - the inner loops of the kernels keep their sums in registers: no vector goes to the stack or comes from it.
build=${BB_BUILD:-build}
echo 1..3
skip() {
    for i in 1 2 3; do echo "ok $i - inner loops # SKIP $1"; done
    exit 0
}
[ -z "${BB_SANITIZED:-}" ] || skip 'sanitizers keep much on the stack'
command -v objdump >/dev/null || skip 'objdump is not there'
case $(objdump -f "$build/obj/kernel/kernel.o" 2>/dev/null) in *elf64-x86-64*) ;; *) skip 'not x86-64' ;; esac

# Disassembly to lines "loop FUNCTION" for each innermost loop that multiplies, and "spill FUNCTION: INSTRUCTION" for each
# of its instructions that has a vector register and a place on the stack without an index (with one it is an array). %rbp
# is the stack where a function makes it the frame pointer.
find_spills='
function hex(s,  i, n) {
    n = 0
    for (i = 1; i <= length(s); i++) n = n * 16 + index("0123456789abcdef", substr(s, i, 1)) - 1
    return n
}
function finish(  i, j, k, inner, seen) {
    for (i = 0; i < loops; i++) {
        products[i] = 0
        for (k = first[i]; k <= last[i]; k++) if (text[k] ~ /^(vfn?m(add|sub)|vdpbf16ps|vpdp|vpmadd)/) products[i]++
    }
    for (i = 0; i < loops; i++) {
        inner = products[i]
        for (j = 0; j < loops; j++)
            if (j != i && products[j] && first[j] >= first[i] && last[j] <= last[i] &&
                (last[j] - first[j] < last[i] - first[i] || j < i)) inner = 0
        if (!inner) continue
        print "loop", name
        for (k = first[i]; k <= last[i]; k++)
            if (text[k] ~ /%[xyz]mm/ && (text[k] ~ /[ ,-][x0-9a-f]*\(%rsp\)/ || frame && text[k] ~ /[ ,-][x0-9a-f]*\(%rbp\)/))
                print "spill", name ": " text[k]
    }
    n = loops = frame = 0
    split("", at)
}
/^[0-9a-f]+ <.*>:$/ { finish(); name = $2; gsub(/[<>:]/, "", name); next }
/^ *[0-9a-f]+:\t/ {
    address = $1
    sub(/:/, "", address)
    text[n] = $0
    sub(/^ *[0-9a-f]+:\t/, "", text[n])
    at[hex(address)] = n
    if (text[n] ~ /^mov +%rsp,%rbp/) frame = 1
    if ($2 ~ /^j/ && $3 ~ /^[0-9a-f]+$/ && (hex($3) in at)) { first[loops] = at[hex($3)]; last[loops++] = n }
    n++
}
END { finish() }'

# Two loops, one of which keeps a sum and a constant on the stack, reads an array there, and another in its outer loop.
found=$(printf '%s\n' \
    '0000000000000000 <tight>:' \
    '   0:	vmovaps %zmm1,0x40(%rsp)' \
    '   8:	vfmadd231ps (%rax){1to16},%zmm3,%zmm2' \
    '   e:	vmovaps 0x40(%rsp,%rcx,1),%zmm4' \
    '  16:	cmp    %rcx,%rax' \
    '  19:	jne    8 <tight+0x8>' \
    '  1b:	vmovaps 0x40(%rsp),%zmm1' \
    '  23:	jb     0 <tight>' \
    '  25:	ret' \
    '0000000000000030 <spilling>:' \
    '  30:	mov    %rsp,%rbp' \
    '  33:	vpdpbusd (%rax),%zmm3,%zmm2' \
    '  39:	vmovdqa64 %zmm2,0x40(%rsp)' \
    '  41:	vpaddd -0x80(%rbp),%ymm5,%ymm5' \
    '  45:	mov    %rcx,0x8(%rsp)' \
    '  49:	jne    33 <spilling+0x3>' \
    '  4b:	ret' | awk "$find_spills")
expected='loop tight
loop spilling
spill spilling: vmovdqa64 %zmm2,0x40(%rsp)
spill spilling: vpaddd -0x80(%rbp),%ymm5,%ymm5'
if [ "$found" = "$expected" ]; then echo 'ok 1 - a spill is recognized'
else
    echo 'not ok 1 - a spill is recognized'
    printf '%s\n' "$found" | sed 's/^/# /'
fi

found=$(for o in "$build"/obj/kernel/*.o; do
    objdump -d --no-show-raw-insn "$o" | awk "$find_spills" | sed "s,^\([a-z]*\) ,\1 ${o##*/} ,"
done)
loops=$(printf '%s\n' "$found" | grep -c '^loop')
if [ "$loops" -ge 20 ]; then echo "ok 2 - inner loops are seen ($loops)"
else echo "not ok 2 - inner loops are seen ($loops)"; fi

spills=$(printf '%s\n' "$found" | grep '^spill')
if [ -z "$spills" ]; then echo 'ok 3 - no vector is spilled in an inner loop'
else
    echo 'not ok 3 - no vector is spilled in an inner loop'
    printf '%s\n' "$spills" | sort | uniq -c | sed 's/^/# /'
fi
