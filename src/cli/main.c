/* main.c -- the program rupy-serve. */
#include <unistd.h>

#include "rupy/ext/module.h"
#include "rupy/serve/command.h"
#include "rupy/serve/serve.h"

int
main(int argc, char **argv)
{
    static const struct rp_door door = {
        .init_core = PyInit__core,
        .take_signals = true,
    };

    return rp_command_main(argc, argv, environ, &door);
}
