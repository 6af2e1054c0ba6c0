/* completion.h -- scripts that complete our options in a shell. */
#ifndef RUPY_SERVE_COMPLETION_H
#define RUPY_SERVE_COMPLETION_H

#include <stdio.h>

#include "rupy/serve/config.h"

/* shell: RP_ACTION_BASH, RP_ACTION_ZSH or RP_ACTION_FISH. */
void rp_completion_print(FILE *out, enum rp_action shell);

#endif
