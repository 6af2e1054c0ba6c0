/* arena.h -- memory that dies together: one request's, freed in one call. */
#ifndef RUPY_BASE_ARENA_H
#define RUPY_BASE_ARENA_H

#include "rupy/base/str.h"

struct rp_arena_block;

struct rp_arena {
    struct rp_arena_block *blocks; /* newest first */
    char *p, *end;                 /* free part of the newest */
    size_t used;                   /* bytes asked of malloc */
    size_t max;                    /* ceiling for used; 0: none */
};

void rp_arena_init(struct rp_arena *a, size_t max);
void rp_arena_fini(struct rp_arena *a);
/* Give up everything; one small block is kept for the next user. */
void rp_arena_reset(struct rp_arena *a);
/* n bytes, aligned for any type, or NULL (out of memory, over the ceiling). */
void *rp_arena_alloc(struct rp_arena *a, size_t n);
/* A copy of s, or {NULL, 0}. */
struct rp_str rp_arena_copy(struct rp_arena *a, struct rp_str s);

#endif
