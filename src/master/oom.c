/* oom.c -- did the kernel kill it for want of memory?
 *
 * cgroup v2 counts such kills in memory.events; version 1 has the same number
 * in memory.oom_control.  Whoever is killed for want of memory of the whole
 * machine is not counted, and only dmesg(1) knows. */

#include <stdio.h>
#include <string.h>

#include "state.h"

/* The number behind "oom_kill" in that file; 0 when there is none. */
static uint64_t
read_count(const char *path)
{
    FILE *f = fopen(path, "re");
    unsigned long long n = 0;
    char line[128];

    if (!f)
        return 0;
    while (fgets(line, sizeof(line), f))
        if (sscanf(line, "oom_kill %llu", &n) == 1)
            break;
    fclose(f);
    return n;
}

uint64_t
rp_oom_kills(void)
{
    FILE *f = fopen("/proc/self/cgroup", "re");
    char line[512], path[640];
    uint64_t n = 0;

    if (!f)
        return 0;
    while (n == 0 && fgets(line, sizeof(line), f)) {
        char *memory = strstr(line, ":memory:");
        const char *file = "memory.events", *root = "/sys/fs/cgroup";
        const char *folder = strncmp(line, "0::", 3) == 0 ? line + 3 : NULL;

        if (memory) {
            folder = memory + strlen(":memory:");
            root = "/sys/fs/cgroup/memory";
            file = "memory.oom_control";
        }
        if (!folder)
            continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(path, sizeof(path), "%s%s/%s", root, folder, file);
        n = read_count(path);
    }
    fclose(f);
    return n;
}
