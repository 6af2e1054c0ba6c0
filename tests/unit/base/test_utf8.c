/* UTF-8: every character there is, every pair of bytes, at any cut. */
#include <check.h>

#include "guard.h"
#include "run.h"
#include "rupy/base/utf8.h"

static size_t
encode(uint32_t c, char *p)
{
    if (c < 0x80) {
        p[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        p[0] = (char)(0xc0 | c >> 6);
        p[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        p[0] = (char)(0xe0 | c >> 12);
        p[1] = (char)(0x80 | (c >> 6 & 63));
        p[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    p[0] = (char)(0xf0 | c >> 18);
    p[1] = (char)(0x80 | (c >> 12 & 63));
    p[2] = (char)(0x80 | (c >> 6 & 63));
    p[3] = (char)(0x80 | (c & 63));
    return 4;
}

START_TEST(every_character_is_taken_and_no_surrogate)
{
    for (uint32_t c = 0; c < 0x120000; c++) {
        bool want = c < 0xd800 || (c > 0xdfff && c < 0x110000);
        struct rp_utf8 u = {0};
        char p[4];
        size_t n = encode(c, p);
        bool got = true;

        if (rp_utf8_is_valid((struct rp_str){p, n}) != want)
            ck_abort_msg("U+%04X", c);
        for (size_t i = 0; got && i < n; i++) {
            if (i > 0 && rp_utf8_is_complete(&u))
                ck_abort_msg("U+%04X complete after %zu", c, i);
            got = rp_utf8_feed(&u, p + i, 1);
        }
        if ((got && rp_utf8_is_complete(&u)) != want)
            ck_abort_msg("U+%04X byte by byte", c);
    }
}
END_TEST

START_TEST(of_two_bytes_only_ascii_and_u0080_to_u07ff)
{
    for (unsigned a = 0; a < 256; a++) {
        for (unsigned b = 0; b < 256; b++) {
            const char p[2] = {(char)a, (char)b};
            bool want = (a < 0x80 && b < 0x80) ||
                        (a >= 0xc2 && a <= 0xdf && b >= 0x80 && b <= 0xbf);

            if (rp_utf8_is_valid((struct rp_str){p, 2}) != want)
                ck_abort_msg("%02x %02x", a, b);
        }
    }
}
END_TEST

START_TEST(a_fault_is_found_wherever_it_is)
{
    struct guard g;
    char text[40];

    guard_init(&g, sizeof(text));
    for (size_t n = 0; n <= sizeof(text); n++) {
        memset(text, 'x', sizeof(text));
        ck_assert(rp_utf8_is_valid((struct rp_str){guard_set(&g, text, n), n}));
        for (size_t at = 0; at < n; at++) {
            memset(text, 'x', sizeof(text));
            text[at] = '\xff';
            if (rp_utf8_is_valid((struct rp_str){guard_set(&g, text, n), n}))
                ck_abort_msg("%zu of %zu", at, n);
        }
    }
    ck_assert(rp_utf8_is_valid((struct rp_str){NULL, 0}));
    guard_fini(&g);
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("all");

    tcase_add_test(t, every_character_is_taken_and_no_surrogate);
    tcase_add_test(t, of_two_bytes_only_ascii_and_u0080_to_u07ff);
    tcase_add_test(t, a_fault_is_found_wherever_it_is);
    return run_tests("base/utf8", t);
}
