/* module.h -- the module rupy._core. */
#ifndef RUPY_EXT_MODULE_H
#define RUPY_EXT_MODULE_H

struct _object; /* PyObject */

/* For the interpreter: import makes the module from what this returns. */
__attribute__((visibility("default"))) struct _object *PyInit__core(void);

#endif
