/* response.h -- the head of an answer, and chunks: structs in, bytes out.
 *
 * Framing belongs to the server: whatever fields an application sets, the
 * bytes on the wire have one framing, and it is right (RFC 9112 6). */
#ifndef RUPY_HTTP_RESPONSE_H
#define RUPY_HTTP_RESPONSE_H

#include "rupy/base/buf.h"
#include "rupy/http/headers.h"

/* How the end of the content is told. */
enum rp_framing {
    RP_FRAMING_NONE,    /* no content, and no field that promises any */
    RP_FRAMING_LENGTH,  /* Content-Length */
    RP_FRAMING_CHUNKED, /* Transfer-Encoding: chunked */
    RP_FRAMING_CLOSE,   /* until the connection closes (HTTP/1.0) */
};

/* What is rendered once a second: Date, and Server when it is on. */
struct rp_response_consts {
    int64_t second; /* that `date` is of */
    bool date_on;
    char server[64]; /* "" : no Server field */
    char text[160];  /* "Date: ...\r\nServer: ...\r\n" */
    size_t text_n;
    struct rp_str extra; /* more field lines, from --header; lent */
};

void rp_response_consts_init(struct rp_response_consts *c, bool date_on,
                             const char *server);
/* Render anew when the second is another.  Cheap when it is not. */
void rp_response_consts_set_time(struct rp_response_consts *c, int64_t second);

struct rp_response_head {
    int status;                    /* 200 to 599 */
    struct rp_str reason;          /* empty: the usual one */
    const struct rp_field *fields; /* the application's */
    unsigned nfields;
    bool clean; /* rp_response_check_field() said 0 for each of them */
    struct rp_str content_type; /* empty: only if among the fields */
    enum rp_framing framing;
    uint64_t length; /* with RP_FRAMING_LENGTH */
    /* A Connection field is written: "close" or "keep-alive" (to an HTTP/1.0
     * client), {NULL, 0}: none. */
    struct rp_str connection;
    struct rp_str more; /* whole field lines of the server's own */
};

/* Which framing an answer gets.  length < 0: not known beforehand.  close is
 * set to true when the connection must close to end the content. */
enum rp_framing rp_response_framing(int status, bool is_head, int minor,
                                    int64_t length, bool *close);
/* An application's field may go out: name and value are clean, and it is not
 * one that belongs to the server (Content-Length, Transfer-Encoding,
 * Connection, Date, hop-by-hop ones).  0 send, 1 drop silently, -1 refuse. */
int rp_response_check_field(const struct rp_field *f);
/* Write the head.  Fields for which rp_response_check_field() is not 0 are
 * left out.  Return 0, or -1 (no memory). */
int rp_response_write_head(struct rp_buf *out,
                           const struct rp_response_consts *c,
                           const struct rp_response_head *h);
/* "1a\r\n" in front of n > 0 bytes; the caller adds them and "\r\n". */
int rp_response_write_chunk_head(struct rp_buf *out, size_t n);

#endif
