#include "rupy/http/hosts.h"

#include "rupy/http/headers.h"

static const struct rp_str any = {"*", 1};

/* "*.example.com" and ".example.com" without what stands in front. */
static struct rp_str
domain_of(struct rp_str pattern)
{
    size_t skip = 0;

    if (rp_str_has_prefix(pattern, RP_STR("*.")))
        skip = 2;
    else if (rp_str_has_prefix(pattern, RP_STR(".")))
        skip = 1;
    return (struct rp_str){pattern.p + skip, pattern.n - skip};
}

/* A port begins behind the last colon, unless that is one of an address. */
static struct rp_str
without_port(struct rp_str host)
{
    size_t n = host.n;

    while (n > 0 && host.p[n - 1] >= '0' && host.p[n - 1] <= '9')
        n--;
    if (n > 0 && host.p[n - 1] == ':')
        host.n = n - 1;
    return host;
}

const char *
rp_hosts_check(struct rp_str pattern)
{
    struct rp_str domain = domain_of(pattern);

    if (rp_str_eq(pattern, any))
        return NULL;
    if (!rp_is_host(domain))
        return "is no host";
    if (without_port(domain).n != domain.n)
        return "has a port, which is not looked at";
    if (memchr(domain.p, '*', domain.n) || domain.p[0] == '.')
        return "is no host, nor .DOMAIN";
    return NULL;
}

static bool
fits(struct rp_str pattern, struct rp_str host)
{
    struct rp_str domain = domain_of(pattern), end;

    if (rp_str_ieq(host, domain))
        return domain.n + 2 != pattern.n;
    if (domain.n == pattern.n || host.n < domain.n + 2)
        return false;
    end = (struct rp_str){host.p + host.n - domain.n, domain.n};
    return end.p[-1] == '.' && rp_str_ieq(end, domain);
}

bool
rp_hosts_allow(const char *const *patterns, size_t n, struct rp_str host)
{
    host = without_port(host);
    if (host.n > 1 && host.p[host.n - 1] == '.')
        host.n--;
    for (size_t i = 0; i < n; i++) {
        struct rp_str pattern = {patterns[i], strlen(patterns[i])};
        if (rp_str_eq(pattern, any) || (host.n > 0 && fits(pattern, host)))
            return true;
    }
    return false;
}
