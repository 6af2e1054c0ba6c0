/* guard.h -- bytes that end right before a page nobody may touch: a read past
 * the end is a crash, not luck. */
#ifndef RUPY_TESTS_GUARD_H
#define RUPY_TESTS_GUARD_H

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guard {
    char *map, *end;
    size_t size;
};

static inline void
guard_init(struct guard *g, size_t max)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t room = (max + page) / page * page;

    g->size = room + page;
    g->map = mmap(NULL, g->size, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g->map == MAP_FAILED)
        abort();
    g->end = g->map + room;
    if (mprotect(g->end, page, PROT_NONE) < 0)
        abort();
}

static inline void
guard_fini(struct guard *g)
{
    munmap(g->map, g->size);
}

/* The copy of p..p+n; the one before is gone. */
static inline const char *
guard_set(struct guard *g, const void *p, size_t n)
{
    char *at = g->end - n;

    if (n > 0)
        memmove(at, p, n);
    return at;
}

#endif
