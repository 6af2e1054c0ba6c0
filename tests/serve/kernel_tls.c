/* kernel_tls.c -- sending by kernel TLS, for kernels that have none.
 *
 * Loaded before the C library (LD_PRELOAD) it takes the keys that OpenSSL
 * would give to the kernel, and does what Linux does with them
 * (Documentation/networking/tls.rst): whatever is written to the socket leaves
 * as records of TLS.  It says on stderr which calls it has served. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

enum { FDS = 4096, RECORD = 16384, ROOM = RECORD + 64, DATA = 23 };

static struct state {
    bool on, is_13;
    size_t key_n;
    unsigned char key[32], iv[12];
    uint64_t seq;
} states[FDS];

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static void
say(const char *name)
{
    static const char *said[8];
    char line[64];
    int n;

    for (int i = 0; i < 8; i++) {
        if (said[i] && strcmp(said[i], name) == 0)
            return;
        if (said[i])
            continue;
        said[i] = name;
        n = snprintf(line, sizeof(line), "kernel TLS: %s\n", name);
        REAL(write)(STDERR_FILENO, line, (size_t)n);
        return;
    }
}

static struct state *
of(int fd)
{
    return fd >= 0 && fd < FDS && states[fd].on ? &states[fd] : NULL;
}

static void
put(unsigned char *p, uint64_t v, int n)
{
    while (n-- > 0)
        *p++ = (unsigned char)(v >> (8 * n));
}

/* RFC 8446 5.2, RFC 5288 3: a record of p..p+n; how long it is. */
static size_t
seal(struct state *s, int type, const void *p, size_t n, unsigned char *out)
{
    unsigned char nonce[12], aad[13], plain[RECORD + 1], *body = out + 5;
    size_t aad_n = s->is_13 ? 5 : 13;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int k, end;

    memcpy(plain, p, n);
    memcpy(nonce, s->iv, 12);
    if (s->is_13) {
        plain[n++] = (unsigned char)type;
        type = DATA;
        for (int i = 0; i < 8; i++)
            nonce[4 + i] ^= (unsigned char)(s->seq >> (8 * (7 - i)));
    } else {
        put(nonce + 4, s->seq, 8);
        put(body, s->seq, 8);
        body += 8;
    }
    out[0] = (unsigned char)type;
    put(out + 1, 0x0303, 2);
    put(out + 3, (uint64_t)(body - out - 5) + n + 16, 2);
    if (s->is_13) {
        memcpy(aad, out, 5);
    } else {
        put(aad, s->seq, 8);
        memcpy(aad + 8, out, 3);
        put(aad + 11, n, 2);
    }
    EVP_EncryptInit_ex(
        c, s->key_n == 32 ? EVP_aes_256_gcm() : EVP_aes_128_gcm(), NULL,
        s->key, nonce);
    EVP_EncryptUpdate(c, NULL, &k, aad, (int)aad_n);
    EVP_EncryptUpdate(c, body, &k, plain, (int)n);
    EVP_EncryptFinal_ex(c, body + k, &end);
    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, 16, body + n);
    EVP_CIPHER_CTX_free(c);
    s->seq++;
    return (size_t)(body - out) + n + 16;
}

/* One record goes out in full, or nothing of it. */
static ssize_t
send_record(int fd, int type, const void *p, size_t n)
{
    struct pollfd w = {.fd = fd, .events = POLLOUT};
    unsigned char out[ROOM];
    size_t left, at = 0;

    if (poll(&w, 1, 0) == 0) {
        errno = EAGAIN;
        return -1;
    }
    if (n > RECORD)
        n = RECORD;
    left = seal(of(fd), type, p, n, out);
    while (left > 0) {
        ssize_t k = REAL(send)(fd, out + at, left, MSG_NOSIGNAL);
        if (k < 0 && errno == EAGAIN) {
            poll(&w, 1, 10000);
            continue;
        }
        if (k < 0)
            return -1;
        at += (size_t)k;
        left -= (size_t)k;
    }
    return (ssize_t)n;
}

static ssize_t
send_pieces(int fd, int type, const struct iovec *v, size_t nv)
{
    unsigned char all[RECORD];
    size_t n = 0;

    for (size_t i = 0; i < nv && n < RECORD; i++) {
        size_t room = RECORD - n, k = v[i].iov_len < room ? v[i].iov_len : room;
        memcpy(all + n, v[i].iov_base, k);
        n += k;
    }
    return send_record(fd, type, all, n);
}

/* ---- What is served ---- */

int
setsockopt(int fd, int level, int name, const void *p, socklen_t n)
{
    /* Both have these members, with keys of different length. */
    const struct tls12_crypto_info_aes_gcm_128 *small = p;
    const struct tls12_crypto_info_aes_gcm_256 *large = p;
    struct state *s = &states[fd < FDS ? fd : 0];
    bool is_large;

    if (level == IPPROTO_TCP && name == TCP_ULP)
        return 0;
    if (level != SOL_TLS)
        return REAL(setsockopt)(fd, level, name, p, n);
    is_large = small->info.cipher_type == TLS_CIPHER_AES_GCM_256;
    if (name != TLS_TX || fd >= FDS ||
        (!is_large && small->info.cipher_type != TLS_CIPHER_AES_GCM_128)) {
        errno = ENOPROTOOPT;
        return -1;
    }
    memset(s, 0, sizeof(*s));
    s->on = true;
    s->is_13 = small->info.version == TLS_1_3_VERSION;
    s->key_n = is_large ? 32 : 16;
    memcpy(s->key, is_large ? large->key : small->key, s->key_n);
    memcpy(s->iv, is_large ? large->salt : small->salt, 4);
    memcpy(s->iv + 4, is_large ? large->iv : small->iv, 8);
    for (int i = 0; i < 8; i++)
        s->seq = s->seq << 8 |
                 (is_large ? large->rec_seq[i] : small->rec_seq[i]);
    return 0;
}

ssize_t
write(int fd, const void *p, size_t n)
{
    if (!of(fd))
        return REAL(write)(fd, p, n);
    say("write");
    return send_record(fd, DATA, p, n);
}

ssize_t
writev(int fd, const struct iovec *v, int nv)
{
    if (!of(fd))
        return REAL(writev)(fd, v, nv);
    say("writev");
    return send_pieces(fd, DATA, v, (size_t)nv);
}

/* Of a control message the type is said beside it. */
ssize_t
sendmsg(int fd, const struct msghdr *m, int flags)
{
    struct cmsghdr *c;
    int type = DATA;

    if (!of(fd))
        return REAL(sendmsg)(fd, m, flags);
    c = CMSG_FIRSTHDR(m);
    if (c && c->cmsg_level == SOL_TLS && c->cmsg_type == TLS_SET_RECORD_TYPE)
        type = *CMSG_DATA(c);
    say(type == DATA ? "sendmsg" : "control");
    return send_pieces(fd, type, m->msg_iov, m->msg_iovlen);
}

ssize_t sendfile(int fd, int file, off_t *at, size_t n);
ssize_t sendfile64(int fd, int file, off_t *at, size_t n);

ssize_t
sendfile(int fd, int file, off_t *at, size_t n)
{
    unsigned char all[RECORD];
    size_t sent = 0;

    if (!of(fd))
        return REAL(sendfile)(fd, file, at, n);
    say("sendfile");
    while (sent < n) {
        size_t most = n - sent < RECORD ? n - sent : RECORD;
        ssize_t k = pread(file, all, most, *at);
        if (k > 0)
            k = send_record(fd, DATA, all, (size_t)k);
        if (k <= 0)
            return sent > 0 ? (ssize_t)sent : k;
        *at += k;
        sent += (size_t)k;
    }
    return (ssize_t)sent;
}

ssize_t
sendfile64(int fd, int file, off_t *at, size_t n)
{
    return sendfile(fd, file, at, n);
}

int
close(int fd)
{
    if (of(fd))
        states[fd].on = false;
    return REAL(close)(fd);
}
