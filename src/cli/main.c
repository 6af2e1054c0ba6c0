/* main.c -- the program rupy-serve. */
#include <string.h>
#include <unistd.h>

#include "rupy/ext/module.h"
#include "rupy/serve/command.h"
#include "rupy/serve/serve.h"

int
main(int argc, char **argv)
{
    struct rp_door door = {
        .init_core = PyInit__core,
        .title = argv[0],
        .take_signals = true,
    };

    /* The words lie one behind the other: execve(2) puts them so. */
    for (int i = 0; i < argc && argv[i] == door.title + door.title_n; i++)
        door.title_n += strlen(argv[i]) + 1;
    return rp_command_main(argc, argv, environ, &door);
}
