/* wsgi_thread.c -- a call in a thread of the pool, and what it and the loop's
 * thread tell each other.
 *
 *     thread: head, pieces, "I want content" --poke--> loop: the exchange
 *     loop:   content, room, "it is gone"    --wake--> thread
 *
 * All of it is read and written with the GIL; the lock guards only the wait
 * for a wake-up.  No wait here needs a deadline of its own: a client that
 * neither sends nor takes anything is given up by the network, and then the
 * exchange stops. */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "rupy/base/log.h"
#include "rupy/http/response.h"
#include "rupy/py/wsgi_impl.h"

struct rp_wsgi_thread {
    struct rp_job job; /* first */
    struct rp_wsgi_call *call;
    struct rp_wsgi_head *head; /* not sent yet */
    struct rp_wsgi_piece *first, **last;
    size_t queued; /* bytes in them */
    bool poked;

    unsigned nwaits; /* threads in wait(): the call's own, and any other that
                      * the application lets read or write for it */

    pthread_mutex_t lock;
    pthread_cond_t wake;
    unsigned wakes; /* how often; under lock */
};

/* ---- Life ---- */

static struct rp_wsgi_thread *
new_thread(struct rp_wsgi_call *call)
{
    struct rp_wsgi_thread *t = PyMem_Calloc(1, sizeof(*t));

    if (!t)
        return NULL;
    t->call = call;
    t->last = &t->first;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->wake, NULL);
    return t;
}

static void
free_thread(struct rp_wsgi_thread *t)
{
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->wake);
    PyMem_Free(t);
}

/* ---- Loop's thread: what came out of the queue ---- */

static void
close_fd(void *arg)
{
    close((int)(intptr_t)arg);
}

static void
free_piece(struct rp_wsgi_piece *p)
{
    Py_XDECREF(p->owner);
    if (p->fd >= 0)
        close(p->fd);
    PyMem_Free(p);
}

static struct rp_wsgi_piece *
take_piece(struct rp_wsgi_thread *t)
{
    struct rp_wsgi_piece *p = t->first;

    if (p) {
        t->first = p->next;
        if (!t->first)
            t->last = &t->first;
        if (p->fd < 0)
            t->queued -= p->n;
    }
    return p;
}

static struct rp_str
content_of(const struct rp_wsgi_piece *p)
{
    return (struct rp_str){p->owner ? PyBytes_AS_STRING(p->owner) : p->data,
                           p->n};
}

static void
send_piece(struct rp_exchange *x, struct rp_wsgi_piece *p)
{
    struct rp_str s = content_of(p);
    struct rp_field link = {RP_STR("Link"), s};

    if (p->hints) {
        rp_exchange_early_hints(x, &link, 1);
    } else if (p->fd >= 0) {
        rp_exchange_send_file(x, p->fd, p->off, p->n, close_fd,
                              (void *)(intptr_t)p->fd);
        p->fd = -1;
    } else {
        rp_exchange_write(x, s.p, s.n);
    }
}

static void
release(void *arg)
{
    free_piece(arg);
}

/* All of the answer in one piece. */
static void
answer(struct rp_wsgi_thread *t, struct rp_exchange *x)
{
    struct rp_wsgi_head *h = t->head;
    struct rp_wsgi_piece *p = take_piece(t);
    struct rp_answer a = {
        .status = h->status, .fields = h->fields, .nfields = h->nfields};

    if (p) {
        a.content = content_of(p);
        a.release = release;
        a.arg = p;
    }
    rp_exchange_answer(x, &a);
}

static bool
is_one_piece(const struct rp_wsgi_call *call)
{
    const struct rp_wsgi_thread *t = call->thread;
    const struct rp_wsgi_piece *p = t->first;
    size_t n = p ? p->n : 0;

    return t->head && !call->failed && !call->is_head &&
           (!p || (!p->next && p->fd < 0 && !p->hints)) &&
           (t->head->length < 0 || (uint64_t)t->head->length == n);
}

/* Hand on what is queued; what goes before the head is in front of it. */
static void
deliver(struct rp_wsgi_call *call)
{
    struct rp_wsgi_thread *t = call->thread;
    struct rp_wsgi_piece *p;

    while (call->x && t->first && t->first->hints) {
        p = take_piece(t);
        send_piece(call->x, p);
        free_piece(p);
    }
    if (call->x && t->head) {
        struct rp_wsgi_head *h = t->head;
        struct rp_exchange *x = call->x;
        rp_exchange_set_reason(x, h->reason);
        if (rp_exchange_head(x, h->status, h->fields, h->nfields,
                             (struct rp_str){NULL, 0}, h->length) < 0) {
            /* Its fields were checked: cannot be. */
            call->x = NULL;
            rp_exchange_set_data(x, NULL);
            rp_exchange_abort(x);
        }
        PyMem_RawFree(h);
        t->head = NULL;
    }
    while ((p = take_piece(t))) {
        if (call->x)
            send_piece(call->x, p);
        free_piece(p);
    }
}

void
rp_wsgi_thread_fetch(struct rp_wsgi_call *call)
{
    struct rp_wsgi_body *b = &call->body;

    if (call->x && rp_wsgi_body_take(b, call->x, 0) < 0) {
        rp_log_errno(RP_LOG_ERROR, "no room for content");
        b->cut = true;
    }
    if (call->needs == 0)
        return;
    /* Not for each piece of it: a thread that wakes takes the GIL from others.
     */
    if (call->x && !b->complete && !b->cut && b->buf.n - b->off < call->needs) {
        rp_exchange_want_content(call->x);
        return;
    }
    call->needs = 0;
    rp_wsgi_thread_wake(call);
}

static void
on_poke(void *arg)
{
    struct rp_wsgi_call *call = arg;

    if (call->thread) {
        call->thread->poked = false;
        deliver(call);
        if (call->needs > 0)
            rp_wsgi_thread_fetch(call);
        /* One thread may read, and another write. */
        if (call->needs == 0 || call->thread->nwaits > 1)
            rp_wsgi_thread_wake(call);
    }
    Py_DECREF((PyObject *)call);
}

static void
wake(struct rp_wsgi_thread *t)
{
    pthread_mutex_lock(&t->lock);
    t->wakes++;
    pthread_cond_broadcast(&t->wake);
    pthread_mutex_unlock(&t->lock);
}

/* The thread has done what it had to. */
static void
on_done(struct rp_job *job, bool late)
{
    struct rp_wsgi_thread *t = (struct rp_wsgi_thread *)job;
    struct rp_wsgi_call *call = t->call;
    struct rp_exchange *x = call->x;
    struct rp_wsgi_piece *p;

    if (x && late) {
        call->x = NULL;
        rp_exchange_set_data(x, NULL);
        rp_exchange_answer_busy(x);
    } else if (x && !rp_exchange_has_head(x) && is_one_piece(call)) {
        call->x = NULL;
        rp_exchange_set_data(x, NULL);
        rp_exchange_set_reason(x, t->head->reason);
        answer(t, x);
    } else {
        deliver(call);
        rp_wsgi_end(call);
    }
    call->thread = NULL;
    call->stage = RP_WSGI_OVER;
    Py_CLEAR(call->environ);
    while ((p = take_piece(t)))
        free_piece(p);
    PyMem_RawFree(t->head);
    /* Whoever still waits for content gets none: the last of them frees it. */
    call->body.cut = !call->body.complete;
    call->needs = 0;
    if (t->nwaits > 0)
        wake(t);
    else
        free_thread(t);
    Py_DECREF((PyObject *)call);
}

void
rp_wsgi_thread_wake(struct rp_wsgi_call *call)
{
    wake(call->thread);
}

/* ---- In a thread ---- */

static void
run(struct rp_job *job)
{
    rp_wsgi_run(((struct rp_wsgi_thread *)job)->call);
}

int
rp_wsgi_thread_start(struct rp_wsgi_call *call)
{
    struct rp_wsgi_thread *t = new_thread(call);

    if (!t)
        return -1;
    t->job.run = run;
    t->job.done = on_done;
    call->thread = t;
    t->job.context = call->context;
    call->context = NULL;
    if (rp_pool_submit(call->wsgi->pool, &t->job) == 0)
        return 0;
    call->thread = NULL;
    free_thread(t);
    return -1;
}

void
rp_wsgi_thread_poke(struct rp_wsgi_call *call)
{
    if (call->thread->poked || !call->x)
        return;
    call->thread->poked = true;
    Py_INCREF((PyObject *)call);
    if (rp_loop_call_threadsafe(call->wsgi->loop, on_poke, call) == 0)
        return;
    /* The loop is gone, and nobody waits for an answer. */
    PyErr_Clear();
    Py_DECREF((PyObject *)call);
}

/* Until something changes, without the GIL; then call->thread may be NULL. */
static void
wait(struct rp_wsgi_call *call)
{
    struct rp_wsgi_thread *t = call->thread;
    unsigned wakes = t->wakes;

    t->nwaits++;
    Py_BEGIN_ALLOW_THREADS;
    pthread_mutex_lock(&t->lock);
    while (t->wakes == wakes)
        pthread_cond_wait(&t->wake, &t->lock);
    pthread_mutex_unlock(&t->lock);
    Py_END_ALLOW_THREADS;
    if (--t->nwaits == 0 && call->thread != t)
        free_thread(t);
}

struct rp_wsgi_piece *
rp_wsgi_thread_add(struct rp_wsgi_call *call, PyObject *owner, size_t n)
{
    struct rp_wsgi_thread *t = call->thread;
    struct rp_wsgi_piece *p = PyMem_Malloc(sizeof(*p) + n);

    if (!p) {
        PyErr_NoMemory();
        return NULL;
    }
    if (owner)
        n = (size_t)PyBytes_GET_SIZE(owner);
    *p = (struct rp_wsgi_piece){.owner = Py_XNewRef(owner), .fd = -1, .n = n};
    *t->last = p;
    t->last = &p->next;
    t->queued += n;
    return p;
}

void
rp_wsgi_thread_set_head(struct rp_wsgi_call *call, struct rp_wsgi_head *head)
{
    call->thread->head = head;
}

void
rp_wsgi_thread_flow(struct rp_wsgi_call *call)
{
    rp_wsgi_thread_poke(call);
    while (call->x && (call->thread->queued > RP_WSGI_QUEUE ||
                       rp_exchange_is_full(call->x)))
        wait(call);
}

void
rp_wsgi_thread_need(struct rp_wsgi_call *call, size_t n)
{
    if (!call->x)
        return;
    call->needs = n;
    rp_wsgi_thread_poke(call);
    while (call->needs > 0)
        wait(call);
}
