/* value.c -- values of options as text. */
#include "rupy/serve/value.h"

/* Digits, with a fraction if there is one; more than 12 digits are refused,
 * so that nothing here overflows.  Return the bytes taken, 0 for none. */
static size_t
scan_number(struct rp_str s, double *out, bool *is_whole)
{
    double v = 0, scale = 1;
    size_t i = 0;

    while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
        v = v * 10 + (s.p[i++] - '0');
    if (i == 0 || i > 12)
        return 0;
    *is_whole = true;
    if (i < s.n && s.p[i] == '.') {
        size_t dot = i++;
        while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9') {
            scale /= 10;
            v += (s.p[i++] - '0') * scale;
        }
        if (i == dot + 1 || i > dot + 10)
            return 0;
        *is_whole = false;
    }
    *out = v;
    return i;
}

struct unit {
    struct rp_str name;
    double factor;
};

/* From long to short: in 1h30m each unit is shorter than the one before. */
static const struct unit durations[] = {
    {{"d", 1}, 86400}, {{"h", 1}, 3600},   {{"m", 1}, 60},
    {{"s", 1}, 1},     {{"ms", 2}, 0.001},
};

enum { N_DURATIONS = sizeof(durations) / sizeof(durations[0]) };

/* Letters up to the next digit name a unit that comes behind `after`. */
static int
scan_unit(struct rp_str s, int after, size_t *taken)
{
    size_t n = 0;

    while (n < s.n && (s.p[n] < '0' || s.p[n] > '9'))
        n++;
    *taken = n;
    for (int i = after + 1; i < N_DURATIONS; i++)
        if (rp_str_eq((struct rp_str){s.p, n}, durations[i].name))
            return i;
    return -1;
}

int
rp_value_duration(struct rp_str s, double *out)
{
    double total = 0, v;
    bool is_whole;
    int unit = -1;

    if (rp_str_ieq(s, RP_STR("off"))) {
        *out = 0;
        return 0;
    }
    if (s.n > 0 && scan_number(s, &v, &is_whole) == s.n) {
        *out = v;
        return 0;
    }
    while (s.n > 0) {
        size_t n = scan_number(s, &v, &is_whole);
        if (n == 0)
            return -1;
        s.p += n;
        s.n -= n;
        unit = scan_unit(s, unit, &n);
        if (unit < 0)
            return -1;
        total += v * durations[unit].factor;
        s.p += n;
        s.n -= n;
    }
    if (unit < 0)
        return -1;
    *out = total;
    return 0;
}

int
rp_value_size(struct rp_str s, uint64_t *out)
{
    static const char letters[] = "kmgt";
    double v;
    bool is_whole;

    if (rp_str_ieq(s, RP_STR("off"))) {
        *out = 0;
        return 0;
    }
    size_t n = scan_number(s, &v, &is_whole);
    if (n == 0)
        return -1;
    struct rp_str unit = {s.p + n, s.n - n};
    if (unit.n == 0 || rp_str_ieq(unit, RP_STR("b"))) {
        if (!is_whole)
            return -1;
        *out = (uint64_t)v;
        return 0;
    }
    const char *letter = memchr(letters, unit.p[0] | 0x20, 4);
    struct rp_str rest = {unit.p + 1, unit.n - 1};
    if (letter == NULL || (rest.n > 0 && !rp_str_ieq(rest, RP_STR("b")) &&
                           !rp_str_ieq(rest, RP_STR("ib"))))
        return -1;
    for (const char *p = letters; p <= letter; p++)
        v *= 1024;
    if (v >= 9e18)
        return -1;
    *out = (uint64_t)v;
    return 0;
}

int
rp_value_flag(struct rp_str s, bool *out)
{
    static const struct {
        struct rp_str word;
        bool value;
    } words[] = {
        {{"on", 2}, true},     {{"off", 3}, false}, {{"true", 4}, true},
        {{"false", 5}, false}, {{"yes", 3}, true},  {{"no", 2}, false},
        {{"1", 1}, true},      {{"0", 1}, false},
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (rp_str_ieq(s, words[i].word)) {
            *out = words[i].value;
            return 0;
        }
    return -1;
}

int
rp_value_int(struct rp_str s, int *out)
{
    bool is_negative = s.n > 0 && s.p[0] == '-';
    uint64_t v;

    if (is_negative) {
        s.p++;
        s.n--;
    }
    if (rp_str_to_u64(s, &v) < 0 || v > INT32_MAX)
        return -1;
    *out = is_negative ? -(int)v : (int)v;
    return 0;
}

int
rp_value_fraction(struct rp_str s, double *out)
{
    double v = 0, unit = 1;
    size_t i = 0;

    for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9' && v < 10; i++)
        v = 10 * v + (s.p[i] - '0');
    if (i == 0)
        return -1;
    if (i < s.n && s.p[i] == '.' && i + 1 < s.n)
        for (i++; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++) {
            unit /= 10;
            v += unit * (s.p[i] - '0');
        }
    if (i < s.n || v > 1)
        return -1;
    *out = v;
    return 0;
}

int
rp_value_mode(struct rp_str s, int *out)
{
    int v = 0;

    if (s.n == 0 || s.n > 5)
        return -1;
    if (rp_str_has_prefix(s, RP_STR("0o"))) {
        s.p += 2;
        s.n -= 2;
    }
    if (s.n == 0)
        return -1;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '7')
            return -1;
        v = v * 8 + (s.p[i] - '0');
    }
    if (v > 0777)
        return -1;
    *out = v;
    return 0;
}

int
rp_value_add_duration(struct rp_buf *b, double seconds)
{
    if (seconds == 0)
        return rp_buf_addf(b, "0");
    for (int i = 0; i < N_DURATIONS; i++) {
        double v = seconds / durations[i].factor;
        uint64_t whole = (uint64_t)(v + 0.5);
        double off = v - (double)whole;
        if (whole >= 1 && off < 1e-9 * v && -off < 1e-9 * v)
            return rp_buf_addf(b, "%llu%s", (unsigned long long)whole,
                               durations[i].name.p);
    }
    return rp_buf_addf(b, "%.9gs", seconds);
}

int
rp_value_add_size(struct rp_buf *b, uint64_t bytes)
{
    static const char *const letters = "GMk";

    if (bytes == 0)
        return rp_buf_addf(b, "0");
    for (int i = 0; i < 3; i++) {
        uint64_t unit = UINT64_C(1) << (10 * (3 - i));
        if (bytes % unit == 0)
            return rp_buf_addf(b, "%llu%c", (unsigned long long)(bytes / unit),
                               letters[i]);
    }
    return rp_buf_add_u64(b, bytes);
}
