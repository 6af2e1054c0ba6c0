#include "rupy/http/date.h"

#include "rupy/base/clock.h"

/* Names are English whatever the locale says, so strftime() is no help. */
static const char days[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const struct rp_str long_days[] = {
    {"Sunday", 6},   {"Monday", 6}, {"Tuesday", 7},  {"Wednesday", 9},
    {"Thursday", 8}, {"Friday", 6}, {"Saturday", 8},
};

enum { SECONDS_PER_DAY = 86400 };

/* Days since 1970-01-01, by the arithmetic of the Gregorian calendar with
 * years that begin in March, so that the leap day is the last. */
static int64_t
days_from_date(int64_t y, int m, int d)
{
    int64_t era, yoe, doy;

    y -= m <= 2;
    era = y / 400;
    yoe = y - era * 400;
    doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void
date_from_days(int64_t z, int *year, int *month, int *day)
{
    int64_t era, doe, yoe, doy, mp;

    z += 719468;
    era = z / 146097;
    doe = z - era * 146097;
    yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    mp = (5 * doy + 2) / 153;
    *day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *year = (int)(yoe + era * 400 + (*month <= 2));
}

static void
put2(char *dst, int v)
{
    dst[0] = (char)('0' + v / 10 % 10);
    dst[1] = (char)('0' + v % 10);
}

void
rp_date_format(char dst[RP_DATE_SIZE], int64_t seconds)
{
    const int64_t last = 253402300799; /* 9999-12-31 23:59:59 */
    int64_t z;
    int y, m, d, s;

    if (seconds < 0)
        seconds = 0;
    if (seconds > last)
        seconds = last;
    z = seconds / SECONDS_PER_DAY;
    s = (int)(seconds % SECONDS_PER_DAY);
    date_from_days(z, &y, &m, &d);
    memcpy(dst, "Sun, 06 Nov 1994 08:49:37 GMT", RP_DATE_SIZE);
    memcpy(dst, days + (z + 4) % 7 * 3, 3); /* it began on a Thursday */
    put2(dst + 5, d);
    memcpy(dst + 8, months + (m - 1) * 3, 3);
    put2(dst + 12, y / 100);
    put2(dst + 14, y % 100);
    put2(dst + 17, s / 3600);
    put2(dst + 20, s / 60 % 60);
    put2(dst + 23, s % 60);
}

/* n digits at s, or -1. */
static int
get_digits(const char *s, int n)
{
    int v = 0;

    for (int i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return -1;
        v = v * 10 + (s[i] - '0');
    }
    return v;
}

/* Which of n three-letter names stands at s, or -1. */
static int
get_name(const char *s, const char *names, int n)
{
    for (int i = 0; i < n; i++)
        if (memcmp(s, names + i * 3, 3) == 0)
            return i;
    return -1;
}

static bool
is_leap(int y)
{
    return y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
}

/* From the parts, of which any may be -1; clock is "hh:mm:ss". */
static int64_t
from_parts(int y, int month, int d, const char *clock)
{
    static const char lengths[12] = {31, 28, 31, 30, 31, 30,
                                     31, 31, 30, 31, 30, 31};
    int h = get_digits(clock, 2), m = get_digits(clock + 3, 2);
    int s = get_digits(clock + 6, 2);

    if (y < 1970 || month < 0 || d < 1 || h < 0 || m < 0 || s < 0)
        return -1;
    if (d > lengths[month] + (month == 1 && is_leap(y)))
        return -1;
    /* A leap second is part of the grammar (RFC 9110 5.6.7). */
    if (h > 23 || m > 59 || s > 60 || clock[2] != ':' || clock[5] != ':')
        return -1;
    return days_from_date(y, month + 1, d) * SECONDS_PER_DAY + h * 3600 +
           m * 60 + s;
}

/* "Sunday, 06-Nov-94 08:49:37 GMT".  A year that would be more than 50 years
 * ahead is the past one with the same last digits (RFC 9110 5.6.7). */
static int64_t
parse_rfc850(struct rp_str s)
{
    int now, last, y, unused;

    for (unsigned i = 0; i < 7; i++) {
        const char *t = s.p + long_days[i].n;

        if (s.n != long_days[i].n + 24 || !rp_str_has_prefix(s, long_days[i]))
            continue;
        if (memcmp(t, ", ", 2) != 0 || t[4] != '-' || t[8] != '-' ||
            t[11] != ' ' || memcmp(t + 20, " GMT", 4) != 0)
            return -1;
        last = get_digits(t + 9, 2);
        if (last < 0)
            return -1;
        date_from_days((int64_t)rp_clock_wall() / SECONDS_PER_DAY, &now,
                       &unused, &unused);
        y = now / 100 * 100 + last;
        if (y > now + 50)
            y -= 100;
        else if (y + 100 <= now + 50)
            y += 100;
        return from_parts(y, get_name(t + 5, months, 12), get_digits(t + 2, 2),
                          t + 12);
    }
    return -1;
}

int64_t
rp_date_parse(struct rp_str s)
{
    const char *p = s.p;
    int day;

    if (s.n < 24)
        return -1;
    if (s.n == 29 && p[3] == ',') { /* Sun, 06 Nov 1994 08:49:37 GMT */
        if (p[4] != ' ' || p[7] != ' ' || p[11] != ' ' || p[16] != ' ' ||
            memcmp(p + 25, " GMT", 4) != 0 || get_name(p, days, 7) < 0)
            return -1;
        return from_parts(get_digits(p + 12, 4), get_name(p + 8, months, 12),
                          get_digits(p + 5, 2), p + 17);
    }
    if (s.n == 24 && p[3] == ' ') { /* Sun Nov  6 08:49:37 1994 */
        if (p[7] != ' ' || p[10] != ' ' || p[19] != ' ' ||
            get_name(p, days, 7) < 0)
            return -1;
        day = p[8] == ' ' ? get_digits(p + 9, 1) : get_digits(p + 8, 2);
        return from_parts(get_digits(p + 20, 4), get_name(p + 4, months, 12),
                          day, p + 11);
    }
    return parse_rfc850(s);
}
