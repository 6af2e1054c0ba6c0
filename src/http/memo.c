#include "rupy/http/memo.h"

#include <stdlib.h>

enum {
    MAX_MEMOS = 4096,
    NSEEN = 64,
};

struct rp_memos {
    struct rp_list used; /* struct rp_memo, last used first */
    unsigned n, max;
    unsigned mask;        /* of the slots */
    uint64_t seen[NSEEN]; /* hashes of blocks that came once */
    uint64_t last_id;
    struct rp_memo *slots[];
};

struct rp_memos *
rp_memos_new(unsigned max)
{
    struct rp_memos *m;
    unsigned nslots = 1;

    if (max > MAX_MEMOS)
        max = MAX_MEMOS;
    if (max == 0)
        max = 1;
    while (nslots < max)
        nslots *= 2;
    m = calloc(1, sizeof(*m) + nslots * sizeof(m->slots[0]));
    if (m == NULL)
        return NULL;
    rp_list_init(&m->used);
    m->max = max;
    m->mask = nslots - 1;
    return m;
}

static struct rp_memo *
memo_of(struct rp_list *l)
{
    return rp_container_of(l, struct rp_memo, used);
}

static void
memo_unref(struct rp_memo *memo)
{
    if (--memo->refs == 0)
        free(memo);
}

void
rp_memo_set(struct rp_memo **slot, struct rp_memo *memo)
{
    struct rp_memo *old = *slot;

    if (old == memo)
        return;
    if (memo != NULL)
        memo->refs++;
    *slot = memo;
    if (old != NULL)
        memo_unref(old);
}

static void
memo_unlist(struct rp_memos *m, struct rp_memo *memo)
{
    struct rp_memo **at = &m->slots[memo->hash & m->mask];

    while (*at != memo)
        at = &(*at)->chain;
    *at = memo->chain;
    rp_list_del(&memo->used);
    memo->listed = false;
    m->n--;
    memo_unref(memo);
}

void
rp_memos_free(struct rp_memos *m)
{
    if (m == NULL)
        return;
    while (!rp_list_is_empty(&m->used))
        memo_unlist(m, memo_of(m->used.next));
    free(m);
}

static void
memo_touch(struct rp_memos *m, struct rp_memo *memo)
{
    if (!memo->listed || m->used.next == &memo->used)
        return;
    rp_list_del(&memo->used);
    rp_list_add(m->used.next, &memo->used);
}

static bool
begins_with(const char *p, size_t n, const struct rp_memo *memo)
{
    return n >= memo->text.n && memcmp(p, memo->text.p, memo->text.n) == 0;
}

struct rp_memo *
rp_memos_match(struct rp_memos *m, struct rp_memo *last, const char *p,
               size_t n)
{
    struct rp_memo *newest;

    if (last != NULL && begins_with(p, n, last)) {
        memo_touch(m, last);
        return last;
    }
    if (rp_list_is_empty(&m->used))
        return NULL;
    newest = memo_of(m->used.next);
    return newest != last && begins_with(p, n, newest) ? newest : NULL;
}

/* Mixes 8 bytes at a time.  Need not resist an attacker: a slot's chain is
 * no longer than the table is large, and bytes are compared in the end. */
static uint64_t
hash_block(struct rp_str s)
{
    const uint64_t k = 0x9e3779b97f4a7c15u;
    uint64_t h = s.n * k, x;
    size_t i;

    for (i = 0; i + 8 <= s.n; i += 8) {
        memcpy(&x, s.p + i, 8);
        h = (h ^ x) * k;
        h ^= h >> 29;
    }
    for (; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * k;
    return h ^ h >> 32;
}

static struct rp_memo *
find(const struct rp_memos *m, uint64_t hash, struct rp_str block)
{
    struct rp_memo *memo = m->slots[hash & m->mask];

    while (memo != NULL &&
           (memo->hash != hash || !rp_str_eq(memo->text, block)))
        memo = memo->chain;
    return memo;
}

static struct rp_str
moved(struct rp_str s, const char *from, const char *to)
{
    return (struct rp_str){to + (s.p - from), s.n};
}

static struct rp_memo *
memo_new(struct rp_str block, const struct rp_request *r)
{
    struct rp_memo *memo;
    size_t head = sizeof(*memo) + r->nfields * sizeof(memo->fields[0]);
    char *text;

    memo = malloc(head + block.n);
    if (memo == NULL)
        return NULL;
    text = (char *)memo + head;
    memcpy(text, block.p, block.n);
    *memo = (struct rp_memo){
        .refs = 1,
        .keep_alive = r->keep_alive,
        .has_forwarded = r->has_forwarded,
        .host = moved(r->host, block.p, text),
        .text = {text, block.n},
        .nfields = r->nfields,
    };
    rp_list_init(&memo->used);
    for (unsigned i = 0; i < r->nfields; i++) {
        memo->fields[i].name = moved(r->fields[i].name, block.p, text);
        memo->fields[i].value = moved(r->fields[i].value, block.p, text);
    }
    return memo;
}

struct rp_memo *
rp_memos_add(struct rp_memos *m, struct rp_str block,
             const struct rp_request *r, uint32_t longest)
{
    uint64_t hash = hash_block(block);
    struct rp_memo *memo = find(m, hash, block);

    if (memo != NULL) {
        memo_touch(m, memo);
        return memo;
    }
    if (m->seen[hash % NSEEN] != hash) {
        m->seen[hash % NSEEN] = hash;
        return NULL;
    }
    memo = memo_new(block, r);
    if (memo == NULL)
        return NULL;
    if (m->n == m->max)
        memo_unlist(m, memo_of(m->used.prev));
    memo->hash = hash;
    memo->id = ++m->last_id;
    memo->longest = longest;
    memo->listed = true;
    memo->chain = m->slots[hash & m->mask];
    m->slots[hash & m->mask] = memo;
    rp_list_add(m->used.next, &memo->used);
    m->n++;
    return memo;
}
