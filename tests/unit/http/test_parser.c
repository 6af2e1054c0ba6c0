/* The head: what is refused, what is split, and that cuts change nothing. */
#include <check.h>
#include <stdlib.h>

#include "heads.h"
#include "run.h"

static struct guard guard;

static void
set_up(void)
{
    guard_init(&guard, 1 << 20);
}

static void
tear_down(void)
{
    guard_fini(&guard);
}

/* Whole, byte by byte, and cut at every offset: the same. */
static void
check_all_ways(const struct rp_limits *lim, const char *p, size_t n, int want,
               const char *text, const char *why)
{
    struct outcome whole, o;

    parse_whole(lim, &guard, p, n, &whole);
    ck_assert_msg(whole.rc == want, "%s: %d (%s), not %d", why, whole.rc,
                  whole.rc < 0 ? rp_http_err_text(whole.rc) : "ok", want);
    if (text != NULL)
        ck_assert_msg(strcmp(whole.text, text) == 0, "%s:\n%s\n%s", why,
                      whole.text, text);
    parse_bytewise(lim, &guard, p, n, &o);
    ck_assert_msg(o.rc == want && strcmp(o.text, whole.text) == 0,
                  "%s: byte by byte: %d, not %d", why, o.rc, want);
    for (size_t cut = 0; cut < n && n < 4096; cut++) {
        parse_cut(lim, &guard, p, n, cut, &o);
        ck_assert_msg(o.rc == want && strcmp(o.text, whole.text) == 0,
                      "%s: cut at %zu: %d, not %d", why, cut, o.rc, want);
    }
}

#define S(lit) lit, sizeof(lit) - 1
#define L "GET / HTTP/1.1\r\n"
#define H "Host: a\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"
#define E "\r\n"

static const struct {
    const char *p;
    size_t n;
    int want;
    const char *why;
} refused[] = {
    /* checks 1 to 5 */
    {S("GET / HTTP/1.1\nHost: a\r\n\r\n"), RP_HTTP_BAD_LINE_END, "LF"},
    {S(L "Host: a\nX: b\r\n\r\n"), RP_HTTP_BAD_LINE_END, "LF ends a field"},
    {S(L H "\n"), RP_HTTP_BAD_LINE_END, "LF ends the head"},
    {S(L H "\r\r\n"), RP_HTTP_BAD_LINE_END, "CR CR LF"},
    {S(L H "\rX"), RP_HTTP_BAD_LINE_END, "CR and any byte ends no head"},
    {S(L H "X: a\rY: b\r\n\r\n"), RP_HTTP_BAD_LINE_END, "bare CR in a value"},
    {S(L H "X\rY: b\r\n\r\n"), RP_HTTP_BAD_LINE_END, "bare CR in a name"},
    {S("GET /\rx HTTP/1.1\r\n"), RP_HTTP_BAD_REQUEST_LINE, "CR in target"},
    {S("GET / HTTP/\r\r1.1\r\n"), RP_HTTP_BAD_LINE_END, "CR in version"},
    {S("GET / HTTP/1.1\rHost"), RP_HTTP_BAD_LINE_END, "CR behind version"},
    {S(L H "X: a\0b\r\n\r\n"), RP_HTTP_BAD_BYTE, "NUL in a value"},
    {S(L H "X: a\x01"
           "b\r\n\r\n"),
     RP_HTTP_BAD_BYTE, "CTL in a value"},
    {S(L H "X: 12345678a\x1f\r\n\r\n"), RP_HTTP_BAD_BYTE, "CTL, word 2"},
    {S(L H "X: a\x7f\r\n\r\n"), RP_HTTP_BAD_BYTE, "DEL in a value"},
    {S(L H "X: a\t\t\t\t\t\t\t\t\t\x0b\r\n"), RP_HTTP_BAD_BYTE, "VT"},
    {S("\r\n\r\nGET"), RP_HTTP_BAD_REQUEST, "two empty lines in front"},
    {S("\nGET"), RP_HTTP_BAD_LINE_END, "LF in front"},
    {S("\r\n\nGET"), RP_HTTP_BAD_LINE_END, "LF behind an empty line"},
    {S("\rGET"), RP_HTTP_BAD_LINE_END, "CR in front"},
    {S("\x16\x03\x01"), RP_HTTP_TLS, "ClientHello"},
    {S("\x16\x02"), RP_HTTP_BAD_BYTE, "no ClientHello"},
    {S("\r\n\x16\x03"), RP_HTTP_BAD_BYTE, "ClientHello does not start so"},
    {S("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), RP_HTTP_BAD_VERSION, "preface"},
    {S("PROXY TCP4 192.0.2.1 192.0.2.2 5 443\r\n"), RP_HTTP_BAD_REQUEST_LINE,
     "PROXY version 1"},
    {S("\r\n\r\n\0\r\nQUIT\n"), RP_HTTP_BAD_REQUEST, "PROXY version 2"},
    /* checks 6 and 7 */
    {S("GET  / HTTP/1.1\r\n"), RP_HTTP_BAD_REQUEST_LINE, "two SP"},
    {S("GET /  HTTP/1.1\r\n"), RP_HTTP_BAD_REQUEST_LINE, "two SP"},
    {S("GET / HTTP/1.1 \r\n"), RP_HTTP_BAD_REQUEST_LINE, "SP at the end"},
    {S(" GET / HTTP/1.1\r\n"), RP_HTTP_BAD_REQUEST_LINE, "SP in front"},
    {S("GET\t/ HTTP/1.1\r\n"), RP_HTTP_BAD_BYTE, "HTAB"},
    {S("GET /\tHTTP/1.1\r\n"), RP_HTTP_BAD_BYTE, "HTAB"},
    {S("GET /\r\n"), RP_HTTP_BAD_REQUEST_LINE, "HTTP/0.9"},
    {S("GET / \r\n"), RP_HTTP_BAD_LINE_END, "no version"},
    {S("GET\r\n"), RP_HTTP_BAD_LINE_END, "method alone"},
    {S("GET / HTTP/1.1 HTTP/1.1\r\n"), RP_HTTP_BAD_REQUEST_LINE, "4 words"},
    {S("GET /pa th HTTP/1.1\r\n"), RP_HTTP_BAD_REQUEST_LINE, "SP in target"},
    {S("GET / http/1.1\r\n"), RP_HTTP_BAD_REQUEST_LINE, "case of HTTP"},
    {S("GET / HTTP/1\r\n"), RP_HTTP_BAD_LINE_END, "no minor"},
    {S("GET / HTTP/1.\r\n"), RP_HTTP_BAD_LINE_END, "no minor"},
    {S("GET / HTTP/01.1\r\n"), RP_HTTP_BAD_REQUEST_LINE, "01.1"},
    {S("GET / HTTP/1.10\r\n"), RP_HTTP_BAD_REQUEST_LINE, "1.10"},
    {S("GET / HTTP/1.1.1\r\n"), RP_HTTP_BAD_REQUEST_LINE, "1.1.1"},
    {S("GET / HTTP/+1.1\r\n"), RP_HTTP_BAD_REQUEST_LINE, "+1.1"},
    {S("GET / HTTP-1.1\r\n"), RP_HTTP_BAD_REQUEST_LINE, "dash"},
    {S("GET / HXXX/1.1\r\n"), RP_HTTP_BAD_REQUEST_LINE, "HXXX"},
    {S("GET / ICE/1.0\r\n"), RP_HTTP_BAD_REQUEST_LINE, "ICE"},
    {S("GET / HTTP/1.2\r\n"), RP_HTTP_BAD_VERSION, "1.2"},
    {S("GET / HTTP/0.9\r\n"), RP_HTTP_BAD_VERSION, "0.9"},
    {S("GET / HTTP/9.9\r\n"), RP_HTTP_BAD_VERSION, "9.9"},
    {S("G(T / HTTP/1.1\r\n"), RP_HTTP_BAD_METHOD, "no token"},
    {S("G\0T / HTTP/1.1\r\n"), RP_HTTP_BAD_BYTE, "NUL"},
    {S("GET\xff / HTTP/1.1\r\n"), RP_HTTP_BAD_METHOD, "0xff"},
    {S("HTTP/1.1 200 OK\r\n"), RP_HTTP_BAD_METHOD, "a response"},
    {S("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), RP_HTTP_LONG_METHOD, "33 bytes"},
    /* check 8 */
    {S("GET /a#b HTTP/1.1\r\n"), RP_HTTP_BAD_TARGET, "fragment"},
    {S("GET /\x7f HTTP/1.1\r\n"), RP_HTTP_BAD_BYTE, "DEL"},
    {S("GET /\xc3\xa9 HTTP/1.1\r\n"), RP_HTTP_BAD_TARGET, "UTF-8"},
    {S("GET /{ HTTP/1.1\r\n"), RP_HTTP_BAD_TARGET, "brace"},
    {S("GET /\" HTTP/1.1\r\n"), RP_HTTP_BAD_TARGET, "quote"},
    {S("GET /\\ HTTP/1.1\r\n"), RP_HTTP_BAD_TARGET, "backslash"},
    {S("GET /a%00b HTTP/1.1\r\n"), RP_HTTP_BAD_TARGET, "%00"},
    {S("GET /?a=%25%00 HTTP/1.1\r\n"), RP_HTTP_BAD_TARGET, "%00 in query"},
    {S("GET foo/bar HTTP/1.1\r\n"), RP_HTTP_BAD_TARGET, "relative"},
    {S("GET * HTTP/1.1\r\n"), RP_HTTP_BAD_TARGET, "* is for OPTIONS"},
    {S("OPTIONS *x HTTP/1.1\r\n"), RP_HTTP_BAD_TARGET, "* and more"},
    {S("GET a:443 HTTP/1.1\r\n"), RP_HTTP_BAD_TARGET, "authority-form"},
    {S("CONNECT / HTTP/1.1\r\n"), RP_HTTP_BAD_TARGET, "origin-form"},
    {S("CONNECT a HTTP/1.1\r\n"), RP_HTTP_BAD_TARGET, "no port"},
    {S("CONNECT a: HTTP/1.1\r\n"), RP_HTTP_BAD_TARGET, "empty port"},
    {S("CONNECT [::1] HTTP/1.1\r\n"), RP_HTTP_BAD_TARGET, "no port"},
    {S("GET http:///a HTTP/1.1\r\n"), RP_HTTP_BAD_TARGET, "empty host"},
    {S("GET http:// HTTP/1.1\r\n"), RP_HTTP_BAD_TARGET, "no host"},
    {S("GET http://:80/ HTTP/1.1\r\n"), RP_HTTP_BAD_TARGET, "empty host"},
    {S("GET http://u@a/ HTTP/1.1\r\n"), RP_HTTP_BAD_TARGET, "userinfo"},
    {S("GET ftp://a/ HTTP/1.1\r\n"), RP_HTTP_BAD_TARGET, "scheme"},
    {S("GET http://b/ HTTP/1.1\r\n" H E), RP_HTTP_BAD_HOST, "mismatch"},
    {S("GET http://a/ HTTP/1.1\r\n" E), RP_HTTP_BAD_HOST, "no Host at all"},
    /* checks 10 and 11 */
    {S(L H "X : a\r\n\r\n"), RP_HTTP_BAD_FIELD, "SP before colon"},
    {S(L H "X\t: a\r\n\r\n"), RP_HTTP_BAD_BYTE, "HTAB before colon"},
    {S(L H ": a\r\n\r\n"), RP_HTTP_BAD_FIELD, "empty name"},
    {S(L H "X\r\n\r\n"), RP_HTTP_BAD_LINE_END, "no colon"},
    {S(L H "X y: a\r\n\r\n"), RP_HTTP_BAD_FIELD, "SP in name"},
    {S(L H "X\x85: a\r\n\r\n"), RP_HTTP_BAD_FIELD, "NEL in name"},
    {S(L H "X(: a\r\n\r\n"), RP_HTTP_BAD_FIELD, "parenthesis in name"},
    {S(L H "X: a\r\n b\r\n\r\n"), RP_HTTP_OBS_FOLD, "fold"},
    {S(L H "X: a\r\n\tb\r\n\r\n"), RP_HTTP_OBS_FOLD, "fold by HTAB"},
    {S(L " \r\n" H E), RP_HTTP_OBS_FOLD, "white space in front"},
    /* check 13 */
    {S(L E), RP_HTTP_BAD_HOST, "no Host"},
    {S(L H H E), RP_HTTP_BAD_HOST, "Host twice, the same"},
    {S("GET / HTTP/1.0\r\n" H H E), RP_HTTP_BAD_HOST, "twice in 1.0"},
    {S(L "Host:\r\n"), RP_HTTP_BAD_HOST, "empty Host"},
    {S(L "Host: a, b\r\n"), RP_HTTP_BAD_HOST, "list"},
    {S(L "Host: u@a\r\n"), RP_HTTP_BAD_HOST, "userinfo"},
    {S(L "Host: a/b\r\n"), RP_HTTP_BAD_HOST, "path"},
    {S(L "Host: a:x\r\n"), RP_HTTP_BAD_HOST, "port"},
    /* checks 14 to 17 */
    {S(POST "Content-Length: +5\r\n"), RP_HTTP_BAD_LENGTH, "sign"},
    {S(POST "Content-Length: -0\r\n"), RP_HTTP_BAD_LENGTH, "sign"},
    {S(POST "Content-Length:\r\n"), RP_HTTP_BAD_LENGTH, "empty"},
    {S(POST "Content-Length: 5 5\r\n"), RP_HTTP_BAD_LENGTH, "two"},
    {S(POST "Content-Length: 5,5\r\n"), RP_HTTP_BAD_LENGTH, "list"},
    {S(POST "Content-Length: 0x5\r\n"), RP_HTTP_BAD_LENGTH, "hex"},
    {S(POST "Content-Length: 05\r\n"), RP_HTTP_BAD_LENGTH, "octal?"},
    {S(POST "Content-Length: 00\r\n"), RP_HTTP_BAD_LENGTH, "octal?"},
    {S(POST "Content-Length: 5\xa0\r\n"), RP_HTTP_BAD_LENGTH, "NBSP"},
    {S(POST "Content-Length: 9223372036854775808\r\n"), RP_HTTP_BAD_LENGTH,
     "2^63"},
    {S(POST "Content-Length: 99999999999999999999\r\n"), RP_HTTP_BAD_LENGTH,
     "20 digits"},
    {S(POST "Content-Length: 5\r\nContent-Length: 5\r\n"), RP_HTTP_BAD_LENGTH,
     "repeated"},
    {S(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
     RP_HTTP_LENGTH_AND_CODING, "both"},
    {S(POST "tRANSFER-eNCODING: cHUNKED\r\nContent-Length: 5\r\n"),
     RP_HTTP_LENGTH_AND_CODING, "both, other order"},
    {S(POST "Transfer-Encoding: gzip, chunked\r\n"), RP_HTTP_UNKNOWN_CODING,
     "gzip"},
    {S(POST "Transfer-Encoding: identity\r\n"), RP_HTTP_UNKNOWN_CODING,
     "identity is no coding any more"},
    {S(POST "Transfer-Encoding: xchunked\r\n"), RP_HTTP_UNKNOWN_CODING, "x"},
    {S(POST "Transfer-Encoding:\r\n"), RP_HTTP_BAD_CODING, "empty"},
    {S(POST "Transfer-Encoding: ,chunked\r\n"), RP_HTTP_BAD_CODING, "comma"},
    {S(POST "Transfer-Encoding: chunked,\r\n"), RP_HTTP_BAD_CODING, "comma"},
    {S(POST "Transfer-Encoding: chunked, gzip\r\n"), RP_HTTP_BAD_CODING,
     "chunked is not last"},
    {S(POST "Transfer-Encoding: chunked, chunked\r\n"), RP_HTTP_BAD_CODING,
     "twice"},
    {S(POST "Transfer-Encoding: \"chunked\"\r\n"), RP_HTTP_BAD_CODING,
     "quoted"},
    {S(POST "Transfer-Encoding: chunked;q=1\r\n"), RP_HTTP_BAD_CODING,
     "parameter"},
    {S(POST "Transfer-Encoding: \x85"
            "chunked\r\n"),
     RP_HTTP_BAD_CODING, "NEL is no white space"},
    {S(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
     RP_HTTP_REPEATED_FIELD, "two lines"},
    {S("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n"), RP_HTTP_BAD_CODING,
     "chunked in 1.0"},
    {S(POST "Content-Type: a/b\r\nContent-Type: a/b\r\n"),
     RP_HTTP_REPEATED_FIELD, "two types"},
    /* check 19 */
    {S(L H "Expect: 200-ok\r\n"), RP_HTTP_BAD_EXPECT, "unknown"},
    {S(L H "Expect: 100-continue, x\r\n"), RP_HTTP_BAD_EXPECT, "one of two"},
};

START_TEST(what_the_rules_refuse_is_refused_at_any_cut)
{
    const struct rp_limits lim = RP_LIMITS_DEFAULT;

    check_all_ways(&lim, refused[_i].p, refused[_i].n, refused[_i].want, NULL,
                   refused[_i].why);
}
END_TEST

static const struct {
    const char *p;
    size_t n;
    const char *want, *why;
} taken[] = {
    {S(L H E), "GET / / ? @a 1.1 -1 keep [Host=a]", "the least there is"},
    {S("\r\n" L H E), "GET / / ? @a 1.1 -1 keep [Host=a]", "empty line first"},
    {S("GET / HTTP/1.0\r\n\r\n"), "GET / / ? @ 1.0 -1", "1.0 needs no Host"},
    {S("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
     "GET / / ? @ 1.0 -1 keep [Connection=keep-alive]", "1.0 persists"},
    {S("GET / HTTP/1.0\r\nProxy-Connection: keep-alive\r\n\r\n"),
     "GET / / ? @ 1.0 -1 [Proxy-Connection=keep-alive]", "no such field"},
    {S("GET /a/b?c=d?e HTTP/1.1\r\n" H E),
     "GET /a/b?c=d?e /a/b ?c=d?e @a 1.1 -1 keep [Host=a]", "first ?"},
    {S("GET //h/x HTTP/1.1\r\n" H E),
     "GET //h/x //h/x ? @a 1.1 -1 keep [Host=a]", "a path, no authority"},
    {S("GET /%4 HTTP/1.1\r\n" H E), "GET /%4 /%4 ? @a 1.1 -1 keep [Host=a]",
     "a percent sign of its own"},
    {S("QUERY / HTTP/1.1\r\n" H E), "QUERY / / ? @a 1.1 -1 keep [Host=a]",
     "a method that http-parser does not know"},
    {S("!#$%&'*+-.^_`|~0Az / HTTP/1.1\r\n" H E),
     "!#$%&'*+-.^_`|~0Az / / ? @a 1.1 -1 keep [Host=a]", "all of tchar"},
    {S("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\n" H E),
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / / ? @a 1.1 -1 keep [Host=a]",
     "32 bytes"},
    {S("OPTIONS * HTTP/1.1\r\n" H E), "OPTIONS * * ? @a 1.1 -1 keep [Host=a]",
     "asterisk-form"},
    {S("OPTIONS http://a HTTP/1.1\r\n" H E),
     "OPTIONS http://a * ? @a 1.1 -1 keep [Host=a]", "RFC 9112 3.2.4"},
    {S("GET hTTp://A:80?x HTTP/1.1\r\nHost: a:80\r\n\r\n"),
     "GET hTTp://A:80?x / ?x @A:80 1.1 -1 keep [Host=a:80]", "absolute-form"},
    {S("GET https://b/c HTTP/1.0\r\n\r\n"), "GET https://b/c /c ? @b 1.0 -1",
     "absolute-form without Host in 1.0"},
    {S("CONNECT a:443 HTTP/1.1\r\n" H E),
     "CONNECT a:443  ? @a:443 1.1 -1 keep [Host=a]", "authority-form"},
    {S("CONNECT [::1]:443 HTTP/1.1\r\n" H E),
     "CONNECT [::1]:443  ? @[::1]:443 1.1 -1 keep [Host=a]", "IPv6"},
    {S("GET / HTTP/1.1\r\nhOsT:a\r\nX:\r\nY: \t \r\nZ:\t a b\t \r\n\r\n"),
     "GET / / ? @a 1.1 -1 keep [hOsT=a] [X=] [Y=] [Z=a b]", "OWS"},
    {S(L H "X: \x85"
           "a\xa0\r\n\r\n"),
     "GET / / ? @a 1.1 -1 keep [Host=a] [X=\x85"
     "a\xa0]",
     "obs-text is kept"},
    {S(L H "X: a\tb\tc\td\te\tf\tg\th\ti\r\n\r\n"),
     "GET / / ? @a 1.1 -1 keep [Host=a] [X=a\tb\tc\td\te\tf\tg\th\ti]", "HTAB"},
    {S(L H "X: a\r\nX: b\r\nX_: c\r\n\r\n"),
     "GET / / ? @a 1.1 -1 keep [Host=a] [X=a] [X=b] [X_=c]", "order"},
    {S(L H "Connection: close\t\r\n\r\n"),
     "GET / / ? @a 1.1 -1 [Host=a] [Connection=close]", "close"},
    {S(L H "Connection: a, ,keep-alive\r\nConnection: CLOSE,x\r\n\r\n"),
     "GET / / ? @a 1.1 -1 [Host=a] [Connection=a, ,keep-alive] "
     "[Connection=CLOSE,x]",
     "close wins, in any line"},
    {S(L H "Connection: xclose\r\n\r\n"),
     "GET / / ? @a 1.1 -1 keep [Host=a] [Connection=xclose]", "no close"},
    {S(POST "Content-Length:\t 5 \t\r\n\r\nhello"),
     "POST / / ? @a 1.1 5 keep [Host=a] [Content-Length=5]", "length"},
    {S(POST "Transfer-Encoding: chunked \t\r\nX: y\r\n\r\n"),
     "POST / / ? @a 1.1 -1 chunked keep [Host=a] [Transfer-Encoding=chunked] "
     "[X=y]",
     "OWS that http-parser does not know"},
    {S(POST "Content-Length: 0\r\n\r\n"),
     "POST / / ? @a 1.1 0 keep [Host=a] [Content-Length=0]", "zero"},
    {S(POST "Content-Length: 9223372036854775807\r\n\r\n"),
     "POST / / ? @a 1.1 9223372036854775807 keep [Host=a] "
     "[Content-Length=9223372036854775807]",
     "2^63 - 1"},
    {S(POST "Connection: Content-Length\r\nContent-Length: 5\r\n\r\n"),
     "POST / / ? @a 1.1 5 keep [Host=a] [Connection=Content-Length] "
     "[Content-Length=5]",
     "check 18: listed, and stays"},
    {S("GET / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\n"),
     "GET / / ? @a 1.1 5 keep [Host=a] [Content-Length=5]", "check 21"},
    {S(POST "Transfer-Encoding: cHuNkEd\r\n\r\n"),
     "POST / / ? @a 1.1 -1 chunked keep [Host=a] [Transfer-Encoding=cHuNkEd]",
     "chunked"},
    {S(POST "Transfer-Encodings: x\r\nContent-Length: 5\r\n\r\n"),
     "POST / / ? @a 1.1 5 keep [Host=a] [Transfer-Encodings=x] "
     "[Content-Length=5]",
     "a longer name, which http-parser takes for the shorter"},
    {S(POST "Transfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\n"),
     "POST / / ? @a 1.1 5 keep [Host=a] [Transfer_Encoding=chunked] "
     "[Content-Length=5]",
     "check 22: another field"},
    {S(POST "Content-Length: 5\r\nExpect: 100-Continue\r\n"
            "Expect: 100-continue\r\n\r\n"),
     "POST / / ? @a 1.1 5 keep 100 [Host=a] [Content-Length=5] "
     "[Expect=100-Continue] [Expect=100-continue]",
     "expectation"},
    {S(L H "Expect: 100-continue\r\n\r\n"),
     "GET / / ? @a 1.1 -1 keep [Host=a] [Expect=100-continue]",
     "nothing follows, so nothing is expected"},
    {S("POST / HTTP/1.0\r\nExpect: 1\r\nContent-Length: 5\r\n\r\n"),
     "POST / / ? @ 1.0 5 [Expect=1] [Content-Length=5]", "ignored in 1.0"},
    {S(L H "Connection: x, Upgrade\r\nUpgrade: h2c, WebSocket\r\n\r\n"),
     "GET / / ? @a 1.1 -1 keep ws [Host=a] [Connection=x, Upgrade] "
     "[Upgrade=h2c, WebSocket]",
     "websocket"},
    {S(L H "Upgrade: websocket\r\n\r\n"),
     "GET / / ? @a 1.1 -1 keep [Host=a] [Upgrade=websocket]", "not asked for"},
    {S(POST "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
     "POST / / ? @a 1.1 -1 keep [Host=a] [Connection=Upgrade] "
     "[Upgrade=websocket]",
     "RFC 6455 4.1: a GET"},
    {S("GET / HTTP/1.0\r\n" H
       "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
     "GET / / ? @a 1.0 -1 [Host=a] [Connection=Upgrade] [Upgrade=websocket]",
     "not in 1.0"},
    {S(L H "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"),
     "GET / / ? @a 1.1 -1 keep [Host=a] [Connection=Upgrade] [Upgrade=h2c]",
     "h2c is answered in HTTP/1.1"},
};

START_TEST(what_is_well_formed_is_split_the_same_at_any_cut)
{
    const struct rp_limits lim = RP_LIMITS_DEFAULT;
    const char *end = memmem(taken[_i].p + 2, taken[_i].n - 2, "\r\n\r\n", 4);
    int n = (int)(end - taken[_i].p) + 4;

    check_all_ways(&lim, taken[_i].p, taken[_i].n, n, taken[_i].want,
                   taken[_i].why);
}
END_TEST

START_TEST(every_proper_prefix_of_a_head_waits)
{
    const struct rp_limits lim = RP_LIMITS_DEFAULT;
    struct outcome o;
    size_t n;

    for (n = 0; n < sizeof("\r\n" L H E) - 1; n++) {
        parse_whole(&lim, &guard, "\r\n" L H E, n, &o);
        ck_assert_msg(o.rc == 0, "%zu bytes: %d", n, o.rc);
    }
}
END_TEST

/* A line of `head`, then `n` times c, then `tail`. */
static char *
long_head(const char *head, char c, size_t n, const char *tail)
{
    size_t a = strlen(head), b = strlen(tail);
    char *p = malloc(a + n + b + 1);

    memcpy(p, head, a);
    memset(p + a, c, n);
    memcpy(p + a + n, tail, b + 1);
    return p;
}

START_TEST(each_limit_holds_to_the_byte)
{
    const struct rp_limits lim = {40, 3, 30, 116, 0};
    const struct {
        const char *head;
        size_t n;
        const char *tail;
        int want;
        const char *why;
    } t[] = {
        {"GET /", 26, " HTTP/1.1\r\nHost: a\r\n\r\n", 1, "line of 40"},
        {"GET /", 27, " HTTP/1.1\r\nHost: a\r\n\r\n", RP_HTTP_LONG_TARGET,
         "line of 41"},
        {"GET /", 35, "", 0, "40 bytes, no end yet"},
        {"GET /", 36, "", RP_HTTP_LONG_TARGET, "refused before its end"},
        {L H "X: ", 27, "\r\n\r\n", 1, "field line of 30"},
        {L H "X: ", 28, "", RP_HTTP_LARGE_HEAD, "field line of 31"},
        {L H "", 30, "", 0, "name of 30, no colon yet"},
        {L H "", 31, "", RP_HTTP_LARGE_HEAD, "name of 31"},
        {L H "A:\r\nB:\r\n", 0, "\r\n", 1, "3 fields"},
        {L H "A:\r\nB:\r\nC", 0, "", RP_HTTP_LARGE_HEAD, "4th field"},
        {"GET /aaaaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\n" H
         "A: aaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nB: ",
         26, "\r\n\r\n", 1, "head of 116"},
        {"GET /aaaaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\n" H
         "A: aaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nB: ",
         27, "\r\n\r\n", RP_HTTP_LARGE_HEAD, "head of 117"},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        char *p = long_head(t[i].head, 'a', t[i].n, t[i].tail);
        size_t n = strlen(p);

        check_all_ways(&lim, p, n, t[i].want > 0 ? (int)n : t[i].want, NULL,
                       t[i].why);
        free(p);
    }
}
END_TEST

START_TEST(a_head_larger_than_http_parser_would_take_is_taken)
{
    const struct rp_limits lim = {8190, 100, 300000, 400000, 0};
    char *p = long_head(L H "X: ", 'a', 250000, "\r\n\r\n");
    struct outcome o;

    parse_whole(&lim, &guard, p, strlen(p), &o);
    ck_assert_int_eq(o.rc, (int)strlen(p));
    free(p);
}
END_TEST

START_TEST(an_error_stays)
{
    const struct rp_limits lim = RP_LIMITS_DEFAULT;
    struct rp_field fields[100];
    struct rp_request r;
    struct rp_parser ps;

    rp_parser_init(&ps, NULL);
    ck_assert_int_eq(rp_parser_head(&ps, &lim, "G(", 2, fields, &r),
                     RP_HTTP_BAD_METHOD);
    ck_assert_int_eq(
        rp_parser_head(&ps, &lim, L H E, sizeof(L H E) - 1, fields, &r),
        RP_HTTP_BAD_METHOD);
    rp_parser_fini(&ps);
}
END_TEST

START_TEST(pipelined_heads_are_parsed_one_after_the_other)
{
    static const char text[] = L H E "HEAD /b HTTP/1.1\r\n" H E;
    const struct rp_limits lim = RP_LIMITS_DEFAULT;
    struct rp_field fields[100];
    struct rp_request r;
    struct rp_parser ps;
    int n, m;

    rp_parser_init(&ps, NULL);
    n = rp_parser_head(&ps, &lim, text, sizeof(text) - 1, fields, &r);
    ck_assert_int_eq(n, (int)sizeof(L H E) - 1);
    m = rp_parser_head(&ps, &lim, text + n, sizeof(text) - 1 - (size_t)n,
                       fields, &r);
    ck_assert_int_eq(n + m, (int)sizeof(text) - 1);
    ck_assert_int_eq(r.method, RP_METHOD_HEAD);
    rp_parser_fini(&ps);
}
END_TEST

START_TEST(a_request_can_be_moved)
{
    static const char text[] = "GET http://a?q HTTP/1.1\r\n" H "X: y\r\n" E;
    const size_t n = sizeof(text) - 1;
    const struct rp_limits lim = RP_LIMITS_DEFAULT;
    struct rp_field fields[100], other[2];
    struct rp_request r;
    struct rp_parser ps;
    struct outcome before, after;
    char *old = malloc(n), *new = malloc(n);

    memcpy(old, text, n);
    memcpy(new, text, n);
    rp_parser_init(&ps, NULL);
    ck_assert_int_eq(rp_parser_head(&ps, &lim, old, n, fields, &r), (int)n);
    outcome_render(&before, &r);
    rp_request_rebase(&r, old, n, new, other);
    free(old);
    memset(fields, 0, sizeof(fields));
    outcome_render(&after, &r);
    ck_assert_str_eq(before.text, after.text);
    ck_assert_ptr_eq(r.fields, other);
    ck_assert(r.target.p >= new &&r.target.p < new + n);
    free(new);
    rp_parser_fini(&ps);
}
END_TEST

START_TEST(every_error_has_a_status_and_a_text)
{
#define X(name, status, text)                                                  \
    ck_assert_int_eq(rp_http_err_status(RP_HTTP_##name), status);              \
    ck_assert_str_eq(rp_http_err_text(RP_HTTP_##name), text);
    RP_HTTP_ERRS(X)
#undef X
    ck_assert_int_eq(rp_http_err_status(-1), 500);
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("head");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, what_the_rules_refuse_is_refused_at_any_cut, 0,
                        sizeof(refused) / sizeof(refused[0]));
    tcase_add_loop_test(t, what_is_well_formed_is_split_the_same_at_any_cut, 0,
                        sizeof(taken) / sizeof(taken[0]));
    tcase_add_test(t, every_proper_prefix_of_a_head_waits);
    tcase_add_test(t, each_limit_holds_to_the_byte);
    tcase_add_test(t, a_head_larger_than_http_parser_would_take_is_taken);
    tcase_add_test(t, an_error_stays);
    tcase_add_test(t, pipelined_heads_are_parsed_one_after_the_other);
    tcase_add_test(t, a_request_can_be_moved);
    tcase_add_test(t, every_error_has_a_status_and_a_text);
    return run_tests("http/parser", t);
}
