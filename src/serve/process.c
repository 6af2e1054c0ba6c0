/* process.c -- limits and priorities. */
#include "rupy/serve/process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

int
rp_process_limits(const struct rp_config *c)
{
    rlim_t wanted = (rlim_t)c->rlimit_nofile;
    struct rlimit now, next;

    if (getrlimit(RLIMIT_NOFILE, &now) < 0)
        return 0;
    next = now;
    if (wanted == 0) {
        next.rlim_cur = now.rlim_max;
    } else {
        next.rlim_cur = wanted;
        if (next.rlim_max < wanted)
            next.rlim_max = wanted;
    }
    if (next.rlim_cur == now.rlim_cur)
        return 0;
    if (setrlimit(RLIMIT_NOFILE, &next) == 0) {
        rp_debug("open files: %llu, were %llu",
                 (unsigned long long)next.rlim_cur,
                 (unsigned long long)now.rlim_cur);
        return 0;
    }
    if (wanted == 0)
        return 0;
    rp_log_errno(RP_LOG_CRITICAL,
                 "--rlimit-nofile %d: the hard limit is %llu, and only root "
                 "may raise that",
                 c->rlimit_nofile, (unsigned long long)now.rlim_max);
    return -1;
}

/* 0, or -1 and errno. */
static int
set_oom(int value)
{
    char text[16];
    int n = snprintf(text, sizeof(text), "%d", value);
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    ssize_t put;

    if (fd < 0)
        return -1;
    put = write(fd, text, (size_t)n);
    close(fd);
    return put == n ? 0 : -1;
}

/* The k-th of those that are set, round and round; -1: none is. */
static int
pick(const cpu_set_t *set, unsigned k)
{
    int n = CPU_COUNT(set);

    if (n == 0)
        return -1;
    k %= (unsigned)n;
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, set) && k-- == 0)
            return i;
    return -1;
}

/* 0, or -1 and errno. */
static int
set_affinity(const struct rp_strs *l, unsigned seat)
{
    cpu_set_t set;
    int cpu;

    if (strcmp(l->v[0], "auto") == 0) {
        if (sched_getaffinity(0, sizeof(set), &set) < 0)
            return -1;
        cpu = pick(&set, seat);
    } else {
        cpu = (int)strtol(l->v[seat % l->n], NULL, 10);
    }
    if (cpu < 0)
        return 0;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return sched_setaffinity(0, sizeof(set), &set);
}

int
rp_process_settle(const struct rp_config *c)
{
    const char *what = "--nice";

    if (c->umask >= 0)
        umask((mode_t)c->umask);
    errno = 0;
    if (c->nice != 0 && nice(c->nice) == -1 && errno != 0)
        goto fail;
    what = "--oom-score-adj";
    if (c->oom_score_adj != RP_OOM_UNCHANGED && set_oom(c->oom_score_adj) < 0)
        goto fail;
    return 0;

fail:
    rp_log_errno(RP_LOG_CRITICAL, "%s", what);
    return -1;
}

int
rp_process_pin(const struct rp_config *c, unsigned seat)
{
    if (c->cpu_affinity.n == 0 || set_affinity(&c->cpu_affinity, seat) == 0)
        return 0;
    rp_log_errno(RP_LOG_CRITICAL, "--cpu-affinity");
    return -1;
}
