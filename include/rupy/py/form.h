/* form.h -- the parser of forms, as rupy/_forms.py has it. */
#ifndef RUPY_PY_FORM_H
#define RUPY_PY_FORM_H

#include "rupy/py/state.h"

/* New reference to the type. */
PyTypeObject *rp_form_type_new(PyObject *module);

#endif
