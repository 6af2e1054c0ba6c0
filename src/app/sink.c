/* sink.c -- the queue of bytes to send: copied ones, and stretches that are
 * sent from where they lie, each at its place among the copied. */
#include "rupy/app/sink.h"

#include <stdlib.h>

static int
add(struct rp_sink *s, struct rp_ref ref)
{
    if (s->nrefs == s->refs_cap) {
        unsigned cap = s->refs_cap ? s->refs_cap * 2 : 4;
        struct rp_ref *refs = realloc(s->refs, cap * sizeof(*refs));
        if (!refs)
            return -1;
        s->refs = refs;
        s->refs_cap = cap;
    }
    ref.at = s->out.n;
    s->refs[s->nrefs++] = ref;
    s->refs_n += ref.n;
    return 0;
}

int
rp_sink_add_ref(struct rp_sink *s, const char *p, size_t n,
                void (*release)(void *), void *arg)
{
    return add(s,
               (struct rp_ref){.p = p, .n = n, .release = release, .arg = arg});
}

int
rp_sink_add_file(struct rp_sink *s, int fd, off_t off, size_t n,
                 void (*release)(void *), void *arg)
{
    return add(
        s, (struct rp_ref){
               .fd = fd, .off = off, .n = n, .release = release, .arg = arg});
}

const struct rp_ref *
rp_sink_peek_file(const struct rp_sink *s)
{
    if (s->nrefs == 0 || s->refs[0].at > 0 || s->refs[0].p)
        return NULL;
    return &s->refs[0];
}

bool
rp_sink_has_file(const struct rp_sink *s)
{
    for (unsigned i = 0; i < s->nrefs; i++)
        if (!s->refs[i].p)
            return true;
    return false;
}

/* Take the first ref off the queue, then release it: release() may run code
 * that appends. */
static void
pop_ref(struct rp_sink *s)
{
    struct rp_ref ref = s->refs[0];

    s->refs_n -= ref.n;
    s->nrefs--;
    memmove(s->refs, s->refs + 1, s->nrefs * sizeof(*s->refs));
    ref.release(ref.arg);
}

/* Drop n copied bytes, and move the places of the refs accordingly. */
static void
drop_copied(struct rp_sink *s, size_t n)
{
    rp_buf_del(&s->out, n);
    for (unsigned i = 0; i < s->nrefs; i++)
        s->refs[i].at -= n;
}

void
rp_sink_sent(struct rp_sink *s, size_t n)
{
    if (s->nrefs == 0) {
        rp_buf_del(&s->out, n);
        return;
    }
    while (n > 0) {
        size_t before = s->nrefs ? s->refs[0].at : s->out.n;
        if (before > 0) {
            size_t k = n < before ? n : before;
            drop_copied(s, k);
            n -= k;
        } else {
            struct rp_ref *ref = &s->refs[0];
            if (n < ref->n) {
                if (ref->p)
                    ref->p += n;
                else
                    ref->off += (off_t)n;
                ref->n -= n;
                s->refs_n -= n;
                return;
            }
            n -= ref->n;
            pop_ref(s);
        }
    }
}

unsigned
rp_sink_peek(const struct rp_sink *s, struct rp_str *v, unsigned max)
{
    size_t at = 0;
    unsigned n = 0;

    for (unsigned i = 0; i < s->nrefs && n < max; i++) {
        const struct rp_ref *ref = &s->refs[i];
        if (ref->at > at)
            v[n++] = (struct rp_str){s->out.p + at, ref->at - at};
        at = ref->at;
        if (n == max || !ref->p)
            return n;
        v[n++] = (struct rp_str){ref->p, ref->n};
    }
    if (n < max && s->out.n > at)
        v[n++] = (struct rp_str){s->out.p + at, s->out.n - at};
    return n;
}

void
rp_sink_fini(struct rp_sink *s)
{
    while (s->nrefs > 0)
        pop_ref(s);
    free(s->refs);
    s->refs = NULL;
    s->refs_cap = 0;
    rp_buf_fini(&s->out);
}
