/* lookup.c -- a name's addresses, looked up in a thread.
 *
 * getaddrinfo(3) blocks for as long as its configuration lets it.  The thread
 * and the loop share the lookup: whoever is done with it last frees it. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "rupy/net/links_impl.h"

struct rp_lookup {
    pthread_mutex_t mutex;
    struct ev_loop *loop; /* NULL: nobody waits any more */
    ev_async async;
    void (*done)(void *arg, struct addrinfo *found, int code);
    void *arg;
    char host[256], port[6];
    struct addrinfo *found;
    int code;
    bool finished; /* the thread is */
};

static const struct addrinfo hints = {
    .ai_family = AF_UNSPEC,
    .ai_socktype = SOCK_STREAM,
    .ai_flags = AI_ADDRCONFIG,
};

static void
destroy(struct rp_lookup *k)
{
    if (k->found)
        freeaddrinfo(k->found);
    pthread_mutex_destroy(&k->mutex);
    free(k);
}

static void *
run(void *arg)
{
    struct rp_lookup *k = arg;
    struct addrinfo *found = NULL;
    int code = getaddrinfo(k->host, k->port, &hints, &found);
    bool alone;

    pthread_mutex_lock(&k->mutex);
    k->found = code == 0 ? found : NULL;
    k->code = code;
    k->finished = true;
    alone = k->loop == NULL;
    if (!alone)
        ev_async_send(k->loop, &k->async);
    pthread_mutex_unlock(&k->mutex);
    if (alone)
        destroy(k);
    return NULL;
}

static void
on_async(struct ev_loop *loop, ev_async *w, int revents)
{
    struct rp_lookup *k = w->data;
    void (*done)(void *, struct addrinfo *, int) = k->done;
    void *to = k->arg;
    struct addrinfo *found;
    int code;

    (void)loop, (void)revents;
    pthread_mutex_lock(&k->mutex);
    found = k->found;
    code = k->code;
    k->found = NULL;
    pthread_mutex_unlock(&k->mutex);
    rp_lookup_free(k);
    done(to, found, code);
}

/* A thread that no signal is delivered to. */
static int
start(struct rp_lookup *k)
{
    pthread_attr_t attr;
    sigset_t all, before;
    pthread_t thread;
    int bad;

    if (pthread_attr_init(&attr) != 0)
        return -1;
    sigfillset(&all);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    bad = pthread_create(&thread, &attr, run, k);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return bad ? -1 : 0;
}

struct rp_lookup *
rp_lookup_new(struct ev_loop *loop, const char *host, const char *port,
              void (*done)(void *arg, struct addrinfo *found, int code),
              void *arg)
{
    struct rp_lookup *k = calloc(1, sizeof(*k));

    if (!k)
        return NULL;
    pthread_mutex_init(&k->mutex, NULL);
    k->loop = loop;
    k->done = done;
    k->arg = arg;
    snprintf(k->host, sizeof(k->host), "%s", host);
    snprintf(k->port, sizeof(k->port), "%s", port);
    ev_async_init(&k->async, on_async);
    k->async.data = k;
    ev_async_start(loop, &k->async);
    if (start(k) == 0)
        return k;
    ev_async_stop(loop, &k->async);
    destroy(k);
    return NULL;
}

void
rp_lookup_free(struct rp_lookup *k)
{
    bool alone;

    if (!k)
        return;
    ev_async_stop(k->loop, &k->async);
    pthread_mutex_lock(&k->mutex);
    k->loop = NULL;
    alone = k->finished;
    pthread_mutex_unlock(&k->mutex);
    if (alone)
        destroy(k);
}
