#include "rupy/base/arena.h"

#include <stdalign.h>
#include <stdlib.h>

enum {
    FIRST_BLOCK = 2048, /* kept from one request to the next */
    LAST_BLOCK = 65536, /* blocks double up to here */
    ALIGN = alignof(max_align_t),
};

struct rp_arena_block {
    struct rp_arena_block *next;
    size_t size; /* with this struct */
    max_align_t mem[];
};

void
rp_arena_init(struct rp_arena *a, size_t max)
{
    *a = (struct rp_arena){.max = max};
}

void
rp_arena_fini(struct rp_arena *a)
{
    struct rp_arena_block *b, *next;

    for (b = a->blocks; b != NULL; b = next) {
        next = b->next;
        free(b);
    }
    *a = (struct rp_arena){.max = a->max};
}

static void
use_block(struct rp_arena *a, struct rp_arena_block *b)
{
    b->next = a->blocks;
    a->blocks = b;
    a->p = (char *)b->mem;
    a->end = (char *)b + b->size;
    a->used += b->size;
}

void
rp_arena_reset(struct rp_arena *a)
{
    struct rp_arena_block *b, *next, *keep = NULL;

    for (b = a->blocks; b != NULL; b = next) {
        next = b->next;
        if (keep == NULL && b->size <= FIRST_BLOCK)
            keep = b;
        else
            free(b);
    }
    *a = (struct rp_arena){.max = a->max};
    if (keep != NULL)
        use_block(a, keep);
}

static struct rp_arena_block *
new_block(struct rp_arena *a, size_t n)
{
    struct rp_arena_block *b;
    size_t need, size = FIRST_BLOCK;

    if (n > SIZE_MAX - sizeof(*b))
        return NULL;
    need = n + sizeof(*b);
    if (a->blocks != NULL && a->blocks->size < LAST_BLOCK)
        size = a->blocks->size * 2;
    else if (a->blocks != NULL)
        size = LAST_BLOCK;
    if (size < need)
        size = need;
    if (a->max != 0 && (size > a->max || a->used > a->max - size))
        size = need; /* near the ceiling, not more than is wanted */
    if (a->max != 0 && (size > a->max || a->used > a->max - size))
        return NULL;
    b = malloc(size);
    if (b != NULL)
        b->size = size;
    return b;
}

void *
rp_arena_alloc(struct rp_arena *a, size_t n)
{
    struct rp_arena_block *b;
    void *p;

    if (n > SIZE_MAX - ALIGN)
        return NULL;
    /* Two allocations never share an address, not even empty ones. */
    n = n == 0 ? ALIGN : (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if ((size_t)(a->end - a->p) < n) {
        b = new_block(a, n);
        if (b == NULL)
            return NULL;
        use_block(a, b);
    }
    p = a->p;
    a->p += n;
    return p;
}

struct rp_str
rp_arena_copy(struct rp_arena *a, struct rp_str s)
{
    char *p = rp_arena_alloc(a, s.n);

    if (p == NULL)
        return (struct rp_str){NULL, 0};
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    return (struct rp_str){p, s.n};
}
