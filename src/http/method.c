#include "rupy/http/method.h"

static const struct rp_str names[] = {
#define X(name) {#name, sizeof(#name) - 1},
    RP_METHODS(X)
#undef X
};

enum { NMETHODS = sizeof(names) / sizeof(names[0]) };

enum rp_method
rp_method_from_str(struct rp_str s)
{
    for (int i = 0; i < NMETHODS; i++)
        if (rp_str_eq(s, names[i]))
            return (enum rp_method)i;
    return RP_METHOD_OTHER;
}

struct rp_str
rp_method_name(enum rp_method m)
{
    if ((int)m >= NMETHODS)
        return (struct rp_str){NULL, 0};
    return names[m];
}
