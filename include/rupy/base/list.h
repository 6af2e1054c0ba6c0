/* list.h -- intrusive, doubly linked, circular with a head. */
#ifndef RUPY_BASE_LIST_H
#define RUPY_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct rp_list {
    struct rp_list *prev, *next;
};

#define rp_container_of(ptr, type, member)                                     \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void
rp_list_init(struct rp_list *l)
{
    l->prev = l->next = l;
}

static inline bool
rp_list_is_empty(const struct rp_list *l)
{
    return l->next == l;
}

/* Put e in front of `before`; with the head, that is the end of the list. */
static inline void
rp_list_add(struct rp_list *before, struct rp_list *e)
{
    e->prev = before->prev;
    e->next = before;
    before->prev->next = e;
    before->prev = e;
}

/* Take e out; e is then a list of its own, and taking it out again is safe. */
static inline void
rp_list_del(struct rp_list *e)
{
    e->prev->next = e->next;
    e->next->prev = e->prev;
    e->prev = e->next = e;
}

#endif
