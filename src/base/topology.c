/* SPDX-License-Identifier: GPL-3.0-or-later */
/* topology.c - the processors that this process may use, and the caches between them and memory. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "base/topology.h"
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *bb_tier_name(bb_tier tier) {
    static const char *const names[BB_TIERS] = {"L1", "L2", "L3", "memory"};
    return names[tier];
}

unsigned bb_processors(void) {
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return (unsigned)CPU_COUNT(&set);
#endif
    long n = sysconf(_SC_NPROCESSORS_ONLN); /* also beyond the 1024 of a cpu_set_t */
    return n > 0 ? (unsigned)n : 1;
}

#if defined(__linux__)
/* The first line of a file below /sys/devices/system/cpu/cpuN/, "" when there is none. */
static void read_line(unsigned cpu, const char *name, char *line, int size) {
    char path[128];
    line[0] = '\0';
    (void)snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%u/%s", cpu, name);
    FILE *f = fopen(path, "re");
    if (!f) return;
    if (!fgets(line, size, f)) line[0] = '\0';
    (void)fclose(f);
}

/* Decimal digits at the start of a text; what follows them in *end. At most 10^9, which no count here reaches. */
static unsigned long leading_number(const char *text, const char **end) {
    unsigned long v = 0;
    for (; *text >= '0' && *text <= '9' && v < 100000000; text++) v = 10 * v + (unsigned long)(*text - '0');
    *end = text;
    return v;
}

/* The lowest number among the processors of the same core. */
static unsigned core_of(unsigned cpu) {
    char line[64];
    const char *end;
    read_line(cpu, "topology/thread_siblings_list", line, sizeof line);
    unsigned long first = leading_number(line, &end);
    return end == line ? cpu : (unsigned)first;
}

size_t bb_processor_list(unsigned *cpus, size_t most) {
    enum { SET = CPU_SETSIZE };
    unsigned core[SET];
    bool taken[SET] = {false}, core_taken[SET] = {false};
    cpu_set_t set;
    size_t n = 0;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 0;
    for (unsigned c = 0; c < SET; c++)
        if (CPU_ISSET(c, &set)) core[c] = core_of(c) % SET;
    for (unsigned c = 0; c < SET && n < most; c++) {
        if (!CPU_ISSET(c, &set) || core_taken[core[c]]) continue;
        core_taken[core[c]] = taken[c] = true;
        cpus[n++] = c;
    }
    for (unsigned c = 0; c < SET && n < most; c++)
        if (CPU_ISSET(c, &set) && !taken[c]) cpus[n++] = c;
    return n;
}

/* Of a list such as "0-3,8". */
static unsigned count_listed(const char *list) {
    unsigned count = 0;
    while (*list >= '0' && *list <= '9') {
        unsigned long first = leading_number(list, &list), last = first;
        if (*list == '-') last = leading_number(list + 1, &list);
        count += last >= first ? (unsigned)(last - first + 1) : 0;
        list += *list == ',';
    }
    return count;
}

static void ask_system(bb_cache caches[BB_TIERS]) {
    static const char *const names[] = {"level", "type", "size", "shared_cpu_list"};
    enum { LEVEL, TYPE, SIZE, SHARED, NAMES };
    unsigned cpu = 0;
    (void)bb_processor_list(&cpu, 1);
    for (unsigned i = 0; i < 8; i++) {
        char file[64], line[NAMES][256];
        const char *end;
        for (int k = 0; k < NAMES; k++) {
            (void)snprintf(file, sizeof file, "cache/index%u/%s", i, names[k]);
            read_line(cpu, file, line[k], sizeof line[k]);
        }
        unsigned long level = leading_number(line[LEVEL], &end), size = leading_number(line[SIZE], &end);
        if (level < 1 || level > BB_TIER_MEMORY || strncmp(line[TYPE], "Instruction", 11) == 0) continue;
        unsigned shared = count_listed(line[SHARED]);
        caches[level - 1].bytes = (uint64_t)size << (*end == 'K' ? 10 : *end == 'M' ? 20 : 0);
        if (shared > 1) caches[level - 1].processors = shared;
    }
}
#else
size_t bb_processor_list(unsigned *cpus, size_t most) {
    (void)cpus;
    (void)most;
    return 0;
}
static void ask_system(bb_cache caches[BB_TIERS]) { (void)caches; }
#endif

/* What the C library reads from cpuid. Second to the system: a virtual machine shows the L3 of its whole host there. */
static void ask_library(bb_cache caches[BB_TIERS]) {
#ifdef _SC_LEVEL1_DCACHE_SIZE
    static const int names[] = {_SC_LEVEL1_DCACHE_SIZE, _SC_LEVEL2_CACHE_SIZE, _SC_LEVEL3_CACHE_SIZE};
    for (int i = 0; i < BB_TIER_MEMORY; i++) {
        long v = sysconf(names[i]);
        caches[i].bytes = v > 0 ? (uint64_t)v : 0;
    }
#else
    (void)caches;
#endif
}

void bb_caches(bb_cache caches[BB_TIERS]) {
    for (int i = 0; i < BB_TIERS; i++) caches[i] = (bb_cache){0, 1};
    ask_system(caches);
    if (caches[BB_TIER_L1].bytes == 0) ask_library(caches);
    /* each is larger than the one before, or there is none */
    uint64_t before = caches[BB_TIER_L1].bytes;
    for (int i = BB_TIER_L2; i < BB_TIER_MEMORY; i++) {
        if (caches[i].bytes <= before) caches[i].bytes = 0;
        before = caches[i].bytes > before ? caches[i].bytes : before;
    }
}
