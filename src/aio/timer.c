/* timer.c -- the timers of call_later() and call_at(), a heap with four
 * children a node.  A handle knows its place, so cancelling takes it out at
 * once; handles of Python code (debug mode) do not, and stay until due. */
#include "inside.h"

enum { HEAP_MIN = 64, KIDS = 4 };

static bool
is_before(const struct rp_timer *a, const struct rp_timer *b)
{
    return a->when < b->when || (a->when == b->when && a->seq < b->seq);
}

static void
place(struct rp_heap *heap, size_t i, struct rp_timer e)
{
    heap->v[i] = e;
    if (rp_is_handle(e.handle))
        ((struct rp_handle *)e.handle)->pos = (Py_ssize_t)i;
}

static void
up(struct rp_heap *heap, size_t i, struct rp_timer e)
{
    while (i > 0) {
        size_t parent = (i - 1) / KIDS;

        if (!is_before(&e, &heap->v[parent]))
            break;
        place(heap, i, heap->v[parent]);
        i = parent;
    }
    place(heap, i, e);
}

static void
down(struct rp_heap *heap, size_t i, struct rp_timer e)
{
    for (;;) {
        size_t first = i * KIDS + 1, best = first, k;

        if (first >= heap->n)
            break;
        for (k = first + 1; k < first + KIDS && k < heap->n; k++)
            if (is_before(&heap->v[k], &heap->v[best]))
                best = k;
        if (!is_before(&heap->v[best], &e))
            break;
        place(heap, i, heap->v[best]);
        i = best;
    }
    place(heap, i, e);
}

/* Take entry i out; the reference to its handle goes to the caller. */
static PyObject *
take(struct rp_heap *heap, size_t i)
{
    struct rp_timer gone = heap->v[i], last = heap->v[--heap->n];

    if (i < heap->n) {
        if (i > 0 && is_before(&last, &heap->v[(i - 1) / KIDS]))
            up(heap, i, last);
        else
            down(heap, i, last);
    }
    if (rp_is_handle(gone.handle))
        ((struct rp_handle *)gone.handle)->pos = -1;
    return gone.handle;
}

int
rp_heap_push(struct rp_loop *loop, double when, PyObject *handle)
{
    struct rp_heap *heap = &loop->heap;
    struct rp_timer e = {when, heap->seq++, handle};

    if (heap->n == heap->cap) {
        size_t cap = heap->cap ? heap->cap * 2 : HEAP_MIN;
        struct rp_timer *v = heap->v;

        PyMem_Resize(v, struct rp_timer, cap);
        if (!v) {
            PyErr_NoMemory();
            return -1;
        }
        heap->v = v;
        heap->cap = cap;
    }
    Py_INCREF(handle);
    up(heap, heap->n++, e);
    return 0;
}

void
rp_heap_del(struct rp_loop *loop, struct rp_handle *h)
{
    if (h->pos >= 0)
        Py_DECREF(take(&loop->heap, (size_t)h->pos));
}

int
rp_heap_expire(struct rp_loop *loop, double now)
{
    struct rp_heap *heap = &loop->heap;

    /* asyncio's rule: what is due within the clock's resolution is due */
    while (heap->n > 0 && heap->v[0].when < now + 1e-9) {
        bool ours = rp_is_handle(heap->v[0].handle);
        PyObject *h = take(heap, 0);

        if (!ours &&
            PyObject_SetAttr(h, loop->state->s_scheduled, Py_False) < 0)
            PyErr_Clear();
        if (rp_ring_push(loop, (struct rp_ready){ours ? RP_READY_HANDLE
                                                      : RP_READY_PYTHON,
                                                 {h},
                                                 {NULL},
                                                 NULL}) < 0)
            return -1;
    }
    return 0;
}

void
rp_heap_clear(struct rp_loop *loop)
{
    struct rp_heap *heap = &loop->heap;

    while (heap->n > 0)
        Py_DECREF(take(heap, heap->n - 1));
    PyMem_Free(heap->v);
    heap->v = NULL;
    heap->cap = 0;
}

int
rp_heap_visit(struct rp_heap *heap, visitproc visit, void *arg)
{
    size_t i;

    for (i = 0; i < heap->n; i++)
        Py_VISIT(heap->v[i].handle);
    return 0;
}
