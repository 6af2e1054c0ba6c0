/* interp.c -- the embedded interpreter.
 *
 * An embedded interpreter looks for its standard library beside the first
 * python3 in PATH, which may be another one than libpython belongs to.  So
 * executable and home are given to it, as the build found them.  A virtual
 * environment is recognised by site.py from the executable alone. */
#include "rupy/py/interp.h"

#include <limits.h>
#include <signal.h>
#include <unistd.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "rupy/base/str.h"
#include "rupy/py/py.h"

#define STRING(x) #x
#define AS_STRING(x) STRING(x)
#define SHORT_VERSION                                                          \
    AS_STRING(PY_MAJOR_VERSION) "." AS_STRING(PY_MINOR_VERSION)

/* The exception that is set, in one line; it is set no more. */
static int
fail_exception(char *error, size_t n, const char *what)
{
    PyObject *e = rp_py_take_exception();
    PyObject *text = e != NULL ? PyObject_Str(e) : NULL;
    const char *p = text != NULL ? PyUnicode_AsUTF8(text) : NULL;

    rp_fail(error, n, "%s: %s: %s", what,
            e != NULL ? Py_TYPE(e)->tp_name : "no exception",
            p != NULL ? p : "?");
    PyErr_Clear();
    Py_XDECREF(text);
    Py_XDECREF(e);
    return -1;
}

static bool
exists(const char *folder, const char *below)
{
    char path[2 * PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", folder, below);
    return access(path, F_OK) == 0;
}

/* "3.11" is what "version = 3.11.7" in pyvenv.cfg says; virtualenv and uv
 * write version_info.  0, or -1 when no line says it. */
static int
read_venv_version(const char *venv, char *out, size_t n)
{
    char path[PATH_MAX], line[512];
    int major, minor, r = -1;

    snprintf(path, sizeof(path), "%s/pyvenv.cfg", venv);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return -1;
    while (r < 0 && fgets(line, sizeof(line), f) != NULL)
        if (sscanf(line, " version = %d.%d", &major, &minor) == 2 ||
            sscanf(line, " version_info = %d.%d", &major, &minor) == 2) {
            snprintf(out, n, "%d.%d", major, minor);
            r = 0;
        }
    fclose(f);
    return r;
}

static int
check_venv(const char *venv, char *error, size_t n)
{
    char version[32];

    if (!exists(venv, "pyvenv.cfg"))
        return rp_fail(error, n,
                       "%s is no virtual environment: it has no pyvenv.cfg "
                       "(--venv, $VIRTUAL_ENV)",
                       venv);
    if (read_venv_version(venv, version, sizeof(version)) == 0 &&
        strcmp(version, SHORT_VERSION) != 0)
        return rp_fail(error, n,
                       "virtual environment %s is for Python %s, and this "
                       "program embeds " SHORT_VERSION
                       "; make one with python" SHORT_VERSION " -m venv",
                       venv, version);
    if (!exists(venv, "bin/python"))
        return rp_fail(error, n, "virtual environment %s has no bin/python",
                       venv);
    return 0;
}

static PyStatus
configure(PyConfig *config, const char *venv)
{
    char name[] = "rupy-serve", *argv[] = {name};
    char executable[PATH_MAX];
    PyStatus s;

    snprintf(executable, sizeof(executable), "%s", RP_PYTHON_EXECUTABLE);
    if (venv != NULL)
        snprintf(executable, sizeof(executable), "%s/bin/python", venv);
    config->parse_argv = 0;
    config->install_signal_handlers = 0;
    s = PyConfig_SetBytesString(config, &config->program_name, executable);
    if (!PyStatus_Exception(s))
        s = PyConfig_SetBytesString(config, &config->executable, executable);
    /* Elsewhere than where it was built the search may do better. */
    const char *home = getenv("PYTHONHOME");
    if (!PyStatus_Exception(s) && (home == NULL || home[0] == '\0') &&
        exists(RP_PYTHON_PREFIX, "lib/python" SHORT_VERSION "/os.py"))
        s = PyConfig_SetBytesString(config, &config->home, RP_PYTHON_PREFIX);
    if (!PyStatus_Exception(s))
        s = PyConfig_SetBytesArgv(config, 1, argv);
    return s;
}

/* The folder that has rupy/ in it, from where the program is: installed, in
 * its build folder, or in a checkout.  false: rupy is where other packages
 * are. */
static bool
find_package(const char *program, char *out, size_t n)
{
    static const char *const places[] = {"../lib/rupy-serve", "lib/rupy-serve",
                                         ".."};
    char exe[PATH_MAX], path[PATH_MAX + 32];

    if (realpath(program != NULL ? program : "/proc/self/exe", exe) == NULL)
        return false;
    char *slash = strrchr(exe, '/');
    if (slash == NULL)
        return false;
    *slash = '\0';
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", exe, places[i]);
        char *real =
            exists(path, "rupy/__init__.py") ? realpath(path, NULL) : NULL;
        if (real == NULL)
            continue;
        snprintf(out, n, "%s", real);
        free(real);
        return true;
    }
    return false;
}

/* In front of what site-packages may have under the same name: package and
 * program must be of one build.  0, or -1 with an exception. */
static int
add_package_path(const char *program)
{
    char path[PATH_MAX];
    PyObject *list = PySys_GetObject("path"); /* borrowed */

    if (!find_package(program, path, sizeof(path)))
        return 0;
    PyObject *item = PyUnicode_DecodeFSDefault(path);
    if (item == NULL)
        return -1;
    int r = list == NULL ? 0 : PyList_Insert(list, 0, item);
    Py_DECREF(item);
    return r;
}

/* The inittab of 3.11 is not searched for dotted names, so the module is
 * imported under another one and renamed. */
static int
publish_core(void)
{
    PyObject *core = PyImport_ImportModule("_rupy");
    PyObject *name = PyUnicode_FromString("rupy._core");
    int r = -1;

    if (core != NULL && name != NULL &&
        PyObject_SetAttrString(core, "__name__", name) == 0)
        r = PyDict_SetItem(PyImport_GetModuleDict(), name, core);
    Py_XDECREF(name);
    Py_XDECREF(core);
    return r;
}

/* By number: sys.stderr may be None, or something that has no descriptor. */
static int
enable_faulthandler(void)
{
    PyObject *module = PyImport_ImportModule("faulthandler");
    PyObject *result = NULL;

    if (module != NULL)
        result = PyObject_CallMethod(module, "enable", "i", STDERR_FILENO);
    /* And when asked, without dying of it. */
    if (result != NULL)
        Py_SETREF(result, PyObject_CallMethod(module, "register", "iiO",
                                              SIGUSR2, STDERR_FILENO, Py_True));
    Py_XDECREF(module);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

int
rp_interp_init(const struct rp_interp_options *o, char *error, size_t n)
{
    const char *venv = o->venv;
    PyPreConfig before;
    PyConfig config;
    PyStatus s;

    if (venv == NULL)
        venv = getenv("VIRTUAL_ENV");
    if (venv != NULL && venv[0] == '\0')
        venv = NULL;
    char *real = venv != NULL ? realpath(venv, NULL) : NULL;
    if (venv != NULL && check_venv(real != NULL ? real : venv, error, n) < 0) {
        free(real);
        return -1;
    }
    if (PyImport_AppendInittab("_rupy", o->init_core) < 0) {
        free(real);
        return rp_fail(error, n, "python: out of memory");
    }
    PyPreConfig_InitPythonConfig(&before);
    before.parse_argv = 0;
    s = Py_PreInitialize(&before);
    if (!PyStatus_Exception(s)) {
        PyConfig_InitPythonConfig(&config);
        s = configure(&config, real);
        if (!PyStatus_Exception(s))
            s = Py_InitializeFromConfig(&config);
        PyConfig_Clear(&config);
    }
    free(real);
    if (PyStatus_Exception(s))
        return rp_fail(error, n, "python does not start: %s",
                       s.err_msg != NULL ? s.err_msg : "no reason given");
    if (add_package_path(o->program) < 0 || publish_core() < 0 ||
        enable_faulthandler() < 0)
        return fail_exception(error, n, "python does not start");
    return 0;
}

/* Call a function of a module that may not be there; an exception is printed,
 * as the interpreter does at its own end. */
static void
call_quietly(const char *module_name, const char *function)
{
    PyObject *module = PyImport_ImportModule(module_name);
    PyObject *result = NULL;

    if (module != NULL)
        result = PyObject_CallMethod(module, function, NULL);
    if (result == NULL)
        PyErr_WriteUnraisable(module);
    Py_XDECREF(module);
    Py_XDECREF(result);
}

static void
flush_stream(const char *name)
{
    PyObject *stream = PySys_GetObject(name); /* borrowed */

    if (stream == NULL || stream == Py_None)
        return;
    Py_INCREF(stream);
    PyObject *result = PyObject_CallMethod(stream, "flush", NULL);
    if (result == NULL)
        PyErr_Clear();
    Py_XDECREF(result);
    Py_DECREF(stream);
}

void
rp_interp_fini(bool finalize)
{
    if (!Py_IsInitialized())
        return;
    if (finalize) {
        Py_FinalizeEx();
        return;
    }
    PyObject *modules = PyImport_GetModuleDict(); /* borrowed */
    if (PyDict_GetItemString(modules, "threading") != NULL)
        call_quietly("threading", "_shutdown");
    call_quietly("atexit", "_run_exitfuncs");
    flush_stream("stdout");
    flush_stream("stderr");
#ifdef __SANITIZE_ADDRESS__
    /* A worker ends by _exit(), and the detector would not look. */
    __lsan_do_leak_check();
#endif
}

/* New: [(b"KEY", b"VALUE"), ...], or NULL. */
static PyObject *
list_environ(void)
{
    PyObject *list = PyList_New(0);

    for (char **e = environ; list != NULL && *e != NULL; e++) {
        const char *equals = strchr(*e, '=');
        if (equals == NULL || equals == *e)
            continue;
        PyObject *pair =
            Py_BuildValue("y#y", *e, (Py_ssize_t)(equals - *e), equals + 1);
        if (pair == NULL || PyList_Append(list, pair) < 0)
            Py_CLEAR(list);
        Py_XDECREF(pair);
    }
    return list;
}

int
rp_interp_sync_environ(void)
{
    /* A list first: setting os.environb moves environ. */
    PyObject *list = list_environ();
    PyObject *os = PyImport_ImportModule("os");
    PyObject *map = os != NULL ? PyObject_GetAttrString(os, "environb") : NULL;
    PyObject *result = NULL;

    if (list != NULL && map != NULL)
        result = PyObject_CallMethod(map, "update", "O", list);
    if (result == NULL)
        PyErr_Print();
    int r = result != NULL ? 0 : -1;
    Py_XDECREF(result);
    Py_XDECREF(map);
    Py_XDECREF(os);
    Py_XDECREF(list);
    return r;
}

bool
rp_interp_is_running(void)
{
    return Py_IsInitialized() != 0;
}

void
rp_interp_version(char *out, size_t n)
{
    const char *version = Py_GetVersion(); /* "3.11.7 (main, ..." */

    snprintf(out, n, "CPython %.*s, %s", (int)strcspn(version, " "), version,
             rp_interp_is_running() ? "as an extension"
                                    : "libpython " RP_PYTHON_LINK);
}
