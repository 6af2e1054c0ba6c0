/* cpus.c -- CPUs: what affinity and control groups leave of the machine. */
#include "rupy/serve/cpus.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
rp_cpus_affinity(void)
{
    cpu_set_t set;
    int n = 0;

    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        n = CPU_COUNT(&set);
    else /* more CPUs than a cpu_set_t has room for */
        n = (int)sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? n : 1;
}

/* The first line of a file, without its end.  0, or -1. */
static int
read_line(const char *path, char *out, size_t n)
{
    FILE *f = fopen(path, "re");
    int r = -1;

    if (f == NULL)
        return -1;
    if (fgets(out, (int)n, f) != NULL) {
        out[strcspn(out, "\n")] = '\0';
        r = 0;
    }
    fclose(f);
    return r;
}

/* quota / period, or 0 for none. */
static double
ratio(const char *quota, const char *period)
{
    double q = strtod(quota, NULL), p = strtod(period, NULL);

    return q > 0 && p > 0 ? q / p : 0;
}

/* Of one group, a folder of a mounted hierarchy. */
static double
group_quota(const char *folder, bool is_v2)
{
    char path[2 * PATH_MAX + 32], quota[64], period[64];

    if (is_v2) {
        /* "max 100000" or "150000 100000" */
        snprintf(path, sizeof(path), "%s/cpu.max", folder);
        if (read_line(path, quota, sizeof(quota)) < 0)
            return 0;
        char *blank = strchr(quota, ' ');
        return blank == NULL ? 0 : ratio(quota, blank + 1);
    }
    snprintf(path, sizeof(path), "%s/cpu.cfs_quota_us", folder);
    if (read_line(path, quota, sizeof(quota)) < 0)
        return 0;
    snprintf(path, sizeof(path), "%s/cpu.cfs_period_us", folder);
    if (read_line(path, period, sizeof(period)) < 0)
        return 0;
    return ratio(quota, period);
}

/* The least of a group and of those above it, up to where it is mounted. */
static double
least_quota(char *folder, size_t mount_length, bool is_v2)
{
    double least = 0;

    for (;;) {
        double q = group_quota(folder, is_v2);
        if (q > 0 && (least == 0 || q < least))
            least = q;
        char *slash = strrchr(folder, '/');
        if (slash == NULL || strlen(folder) <= mount_length)
            return least;
        *slash = '\0';
    }
}

/* A word is in a list with commas. */
static bool
has_word(const char *list, const char *word)
{
    size_t n = strlen(word);

    for (const char *p = list; *p != '\0';) {
        size_t len = strcspn(p, ",");
        if (len == n && memcmp(p, word, n) == 0)
            return true;
        p += len + (p[len] == ',');
    }
    return false;
}

/* This process's group in the hierarchy with the cpu controller, by
 * /proc/self/cgroup: "0::/a/b" is v2, "4:cpu,cpuacct:/a/b" is v1. */
static int
own_group(const char *root, bool is_v2, char *out, size_t n)
{
    char path[PATH_MAX], line[PATH_MAX];
    int r = -1;

    snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return -1;
    while (r < 0 && fgets(line, sizeof(line), f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (group == NULL)
            continue;
        *group++ = '\0';
        controllers++;
        if (is_v2 ? *controllers == '\0' : has_word(controllers, "cpu")) {
            snprintf(out, n, "%s", group);
            r = 0;
        }
    }
    fclose(f);
    return r;
}

/* Where that hierarchy is mounted (n bytes at point), and which group of it
 * (PATH_MAX bytes at group), by mountinfo:
 * "31 23 0:28 /group /sys/fs/cgroup rw - cgroup2 cgroup2 rw,options". */
static int
find_mount(const char *root, bool is_v2, char *group, char *point, size_t n)
{
    char path[PATH_MAX], line[3 * PATH_MAX], type[32], options[512];
    char where[PATH_MAX];
    int r = -1;

    snprintf(path, sizeof(path), "%s/proc/self/mountinfo", root);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return -1;
    while (r < 0 && fgets(line, sizeof(line), f) != NULL) {
        char *tail = strstr(line, " - ");
        if (tail == NULL ||
            sscanf(tail, " - %31s %*s %511s", type, options) != 2 ||
            strcmp(type, is_v2 ? "cgroup2" : "cgroup") != 0 ||
            (!is_v2 && !has_word(options, "cpu")))
            continue;
        if (sscanf(line, "%*s %*s %*s %4095s %4095s", group, where) != 2)
            continue;
        snprintf(point, n, "%s%s", root, where);
        r = 0;
    }
    fclose(f);
    return r;
}

static double
hierarchy_quota(const char *root, bool is_v2)
{
    char own[PATH_MAX], mounted[PATH_MAX], point[PATH_MAX];
    char folder[2 * PATH_MAX];
    const char *below = own;

    if (own_group(root, is_v2, own, sizeof(own)) < 0 ||
        find_mount(root, is_v2, mounted, point, sizeof(mounted)) < 0)
        return 0;
    /* In a container without a namespace of its own the names are the
     * host's, and what is mounted is a part of the tree. */
    size_t n = strlen(mounted);
    if (strcmp(mounted, "/") != 0 && strncmp(own, mounted, n) == 0 &&
        (own[n] == '/' || own[n] == '\0'))
        below = own + n;
    snprintf(folder, sizeof(folder), "%s%s", point, below);
    if (access(folder, F_OK) < 0)
        snprintf(folder, sizeof(folder), "%s", point);
    n = strlen(folder);
    while (n > 1 && folder[n - 1] == '/')
        folder[--n] = '\0';
    return least_quota(folder, strlen(point), is_v2);
}

double
rp_cpus_quota(const char *root)
{
    double v2 = hierarchy_quota(root, true);
    double v1 = hierarchy_quota(root, false);

    if (v1 == 0 || v2 == 0)
        return v1 + v2;
    return v1 < v2 ? v1 : v2;
}

int
rp_cpus_combine(int affinity, double quota)
{
    if (quota <= 0 || quota >= affinity)
        return affinity;
    int whole = (int)quota;
    return whole + (whole < quota);
}

int
rp_workers_auto(const char *root)
{
    return rp_cpus_combine(rp_cpus_affinity(), rp_cpus_quota(root));
}
