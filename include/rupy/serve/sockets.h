/* sockets.h -- the listening sockets of the service: opened, inherited, handed
 * on, closed. */
#ifndef RUPY_SERVE_SOCKETS_H
#define RUPY_SERVE_SOCKETS_H

#include "rupy/serve/activation.h"
#include "rupy/serve/identity.h"
#include "rupy/serve/upgrade.h"
#include "rupy/serve/worker.h"

struct rp_sockets {
    struct rp_listeners listeners;
    size_t *of; /* which of the configuration's addresses each belongs to */
    size_t cap;
    bool stopped; /* files of ours are gone */
    struct rp_activation activation;
};

/* What systemd has passed is looked at; nothing is opened yet. */
void rp_sockets_init(struct rp_sockets *s);
/* One for each address, or more where systemd has more.  Files of Unix domain
 * sockets are given to who the workers will be.  0, or -1 after a line in the
 * log. */
int rp_sockets_open(struct rp_sockets *s, const struct rp_config *c,
                    struct rp_upgrade *u, const struct rp_identity *id);
/* In the fork that becomes another master: it gets all of them. */
void rp_sockets_give(const struct rp_sockets *s, const struct rp_config *c,
                     struct rp_upgrade *u);
/* No new connection is completed from now on, while those in the queue are
 * still taken.  What is not ours alone, of systemd or of a parent, goes on
 * taking them: somebody else will answer. */
void rp_sockets_stop(struct rp_sockets *s, const struct rp_config *c);
/* With remove the files of ours go as well. */
void rp_sockets_close(struct rp_sockets *s, const struct rp_config *c,
                      bool remove);

#endif
