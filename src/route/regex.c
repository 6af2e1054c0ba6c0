/* regex.c -- PCRE2 behind a few functions: nothing a user writes gets out of
 * its parentheses, and nothing a client sends makes it run for long. */
#include "rupy/route/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>

/* NEVER_UTF: paths are bytes, valid UTF-8 or not. */
#define OPTIONS (PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_DOLLAR_ENDONLY)

/* What is wrong with "\c", NULL if nothing. */
static const char *
refuse_escape(char c, bool in_class)
{
    if (c == 'Q')
        return "\\Q is not taken, escape each character";
    if (c == 'c')
        return "\\c is not taken, write \\xHH";
    if (in_class)
        return NULL;
    if (c == 'K')
        return "\\K is not taken, use lookbehind (?<=...)";
    if (c == 'g' || c == 'k' || (c >= '1' && c <= '9'))
        return "back references and recursion are not taken";
    return NULL;
}

/* What is wrong with the group that s begins with, NULL if nothing. */
static const char *
refuse_group(struct rp_str s)
{
    size_t i = 2;
    char c;

    if (s.n > 1 && s.p[1] == '*')
        return "verbs and (*...) are not taken";
    if (s.n < 3 || s.p[1] != '?')
        return NULL;
    c = s.p[2];
    if (memchr(":=!>|", c, 5))
        return NULL;
    if (c == '<' && s.n > 3 && (s.p[3] == '=' || s.p[3] == '!'))
        return NULL;
    /* Not x: with it '#' and blanks would mean something else. */
    while (i < s.n && memchr("^imsU-", s.p[i], 6))
        i++;
    if (i > 2 && i < s.n && (s.p[i] == ':' || s.p[i] == ')'))
        return NULL;
    if (c == '<' || c == 'P' || c == '\'')
        return "named groups are not taken, write (?:...)";
    if (c == 'C')
        return "callouts are not taken";
    if (c == '(')
        return "conditions are not taken";
    if (c == '#')
        return "comments are not taken";
    if (c == 'R' || c == '&' || c == '+' || c == '-' || (c >= '0' && c <= '9'))
        return "recursion is not taken";
    return "this group is not taken, write (?:...)";
}

/* The length of "[:name:]" that s begins with, 0 if it does not. */
static size_t
posix_class(struct rp_str s)
{
    size_t i = 2;

    if (s.n < 4 || s.p[1] != ':')
        return 0;
    while (i < s.n && ((s.p[i] >= 'a' && s.p[i] <= 'z') || s.p[i] == '^'))
        i++;
    return i + 1 < s.n && s.p[i] == ':' && s.p[i + 1] == ']' ? i + 2 : 0;
}

/* Walk from the '[' at *at to behind its ']'. */
static int
scan_class(struct rp_str s, size_t *at, const char **why)
{
    size_t i = *at + 1, n;

    if (i < s.n && s.p[i] == '^')
        i++;
    /* First in a class, ']' is one of its characters. */
    if (i < s.n && s.p[i] == ']')
        i++;
    for (; i < s.n && s.p[i] != ']'; i++) {
        *at = i;
        if (s.p[i] == '\\' && i + 1 < s.n) {
            *why = refuse_escape(s.p[++i], true);
            if (*why)
                return -1;
        } else if (s.p[i] == '[' &&
                   (n = posix_class((struct rp_str){s.p + i, s.n - i}))) {
            i += n - 1;
        } else if ((unsigned char)s.p[i] >= 0x80) {
            *why = "in [...] only ASCII is taken, write (?:...|...)";
            return -1;
        }
    }
    *at = i < s.n ? i + 1 : s.n;
    return 0;
}

int
rp_regex_scan(struct rp_str s, size_t *end, const char **why)
{
    size_t i = 0, depth = 1;

    *why = NULL;
    while (i < s.n) {
        *end = i;
        switch (s.p[i]) {
        case '\\':
            if (i + 1 < s.n && (*why = refuse_escape(s.p[i + 1], false)))
                return -1;
            i += 2;
            break;
        case '[':
            if (scan_class(s, &i, why) < 0) {
                *end = i;
                return -1;
            }
            break;
        case '(':
            *why = refuse_group((struct rp_str){s.p + i, s.n - i});
            if (*why)
                return -1;
            depth++;
            i++;
            break;
        case ')':
            if (--depth == 0)
                return 0;
            i++;
            break;
        default:
            i++;
        }
    }
    *end = s.n;
    *why = "re( is not closed";
    return -1;
}

static void
explain(int error, char why[RP_REGEX_WHY])
{
    why[0] = '\0';
    if (pcre2_get_error_message(error, (PCRE2_UCHAR *)why, RP_REGEX_WHY) < 0 &&
        why[0] == '\0')
        snprintf(why, RP_REGEX_WHY, "PCRE2 error %d", error);
}

int
rp_regex_check(struct rp_str s, size_t *at, char why[RP_REGEX_WHY])
{
    uint32_t ngroups = 0, options = 0;
    pcre2_code *code;
    int error;

    /* A leading ".*" shall not look like an anchor. */
    code = pcre2_compile((PCRE2_SPTR)s.p, s.n,
                         OPTIONS | PCRE2_NO_DOTSTAR_ANCHOR, &error, at, NULL);
    if (!code) {
        explain(error, why);
        return -1;
    }
    pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &ngroups);
    pcre2_pattern_info(code, PCRE2_INFO_ALLOPTIONS, &options);
    pcre2_code_free(code);
    if (options & PCRE2_ANCHORED) {
        *at = 0;
        snprintf(why, RP_REGEX_WHY,
                 "never matches, there is always a '/' before it; it is "
                 "anchored without ^");
        return -1;
    }
    return (int)ngroups;
}

int
rp_regex_init(struct rp_regex *re, struct rp_str s, char why[RP_REGEX_WHY])
{
    size_t at;
    int error;

    re->code = pcre2_compile((PCRE2_SPTR)s.p, s.n, OPTIONS | PCRE2_ANCHORED,
                             &error, &at, NULL);
    if (!re->code) {
        explain(error, why);
        return -1;
    }
    /* No JIT here (the CPU, or a kernel that refuses such pages): slower. */
    re->jit = pcre2_jit_compile(re->code, PCRE2_JIT_COMPLETE) == 0;
    return 0;
}

void
rp_regex_fini(struct rp_regex *re)
{
    pcre2_code_free(re->code);
    re->code = NULL;
}

int
rp_regex_scratch_init(struct rp_regex_scratch *x, unsigned ngroups)
{
    x->data = pcre2_match_data_create(ngroups + 1, NULL);
    x->limits = pcre2_match_context_create(NULL);
    x->stack =
        pcre2_jit_stack_create(RP_REGEX_STACK_MIN, RP_REGEX_STACK_MAX, NULL);
    if (!x->data || !x->limits)
        return -1;
    pcre2_set_match_limit(x->limits, RP_REGEX_MATCH_LIMIT);
    pcre2_set_depth_limit(x->limits, RP_REGEX_DEPTH_LIMIT);
    pcre2_set_heap_limit(x->limits, RP_REGEX_HEAP_LIMIT);
    /* Without JIT there is no such stack, and NULL means 32 KiB of ours. */
    pcre2_jit_stack_assign(x->limits, NULL, x->stack);
    return 0;
}

void
rp_regex_scratch_fini(struct rp_regex_scratch *x)
{
    pcre2_match_data_free(x->data);
    pcre2_match_context_free(x->limits);
    pcre2_jit_stack_free(x->stack);
    *x = (struct rp_regex_scratch){0};
}

enum rp_regex_result
rp_regex_match(const struct rp_regex *re, struct rp_regex_scratch *x,
               struct rp_str s, size_t at)
{
    int rc;

    if (re->jit)
        rc = pcre2_jit_match(re->code, (PCRE2_SPTR)s.p, s.n, at, 0, x->data,
                             x->limits);
    else
        rc = pcre2_match(re->code, (PCRE2_SPTR)s.p, s.n, at, 0, x->data,
                         x->limits);
    if (rc >= 0)
        return RP_REGEX_MATCH;
    /* Every other failure means that PCRE2 gave up, too. */
    return rc == PCRE2_ERROR_NOMATCH ? RP_REGEX_NO_MATCH : RP_REGEX_LIMIT;
}

struct rp_str
rp_regex_group(const struct rp_regex_scratch *x, struct rp_str s,
               unsigned group)
{
    const size_t *at = pcre2_get_ovector_pointer(x->data) + 2 * (size_t)group;

    if (at[0] == PCRE2_UNSET)
        return (struct rp_str){NULL, 0};
    return (struct rp_str){s.p + at[0], at[1] - at[0]};
}

unsigned
rp_regex_mark(const struct rp_regex_scratch *x)
{
    PCRE2_SPTR mark = pcre2_get_mark(x->data);
    unsigned n = 0;

    for (; mark && *mark >= '0' && *mark <= '9'; mark++)
        n = n * 10 + (*mark - '0');
    return n;
}

void
rp_regex_version(char *out, size_t n)
{
    char text[64]; /* "10.42 2022-12-11" */

    if (pcre2_config(PCRE2_CONFIG_VERSION, text) < 0)
        text[0] = '\0';
    snprintf(out, n, "%.*s", (int)strcspn(text, " "), text);
}
