/* One-shot breakpoints on basic blocks, and (in _crash.h) a crash handler. Linux on x86-64.
 *
 * The first byte of every armed block is replaced by 0xCC (int3). The first thread that executes it
 * gets SIGTRAP; the handler restores the byte, logs the block and moves the instruction pointer back,
 * so that the block runs, without a breakpoint from then on ("Full-speed Fuzzing: Reducing Fuzzing
 * Overhead through Coverage-guided Tracing", Nagy and Hicks, S&P 2019). All handler code is
 * async-signal-safe.
 */
#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#if defined(__linux__) && defined(__x86_64__)

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "_crash.h"

#define INT3 0xCC

/* The breakpoints. All of this is set up once, before the first one is armed. */
static uint8_t *base;           /* where the library is loaded */
static uint32_t *offsets;       /* of every block, from base, ascending */
static uint8_t *originals;      /* the first byte of every block */
static uint32_t block_count;
static struct sigaction earlier_trap;

/* The log: a ring buffer of block ids. A handler reserves the next slot, then writes; a slot that is
 * reserved but not written yet holds NO_BLOCK, and `drain` stops there. */
#define NO_BLOCK UINT32_MAX
static _Atomic uint32_t *hits;
static uint32_t hits_capacity;
static _Atomic uint64_t hits_taken;
static uint64_t hits_drained;

static int find_block(uint64_t offset, uint32_t *found)
{
    uint32_t low = 0, high = block_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (offsets[middle] < offset)
            low = middle + 1;
        else
            high = middle;
    }
    *found = low;
    return low < block_count && offsets[low] == offset;
}

static void on_trap(int number, siginfo_t *info, void *raw)
{
    ucontext_t *context = raw;
    uint64_t address = (uint64_t)context->uc_mcontext.gregs[REG_RIP] - 1;
    uint32_t block;
    if (address >= (uint64_t)base && find_block(address - (uint64_t)base, &block)) {
        /* Another thread may do this at the same time: both write the same byte. */
        *(volatile uint8_t *)address = originals[block];
        uint64_t at = atomic_fetch_add(&hits_taken, 1);
        atomic_store(&hits[at % hits_capacity], block);
        context->uc_mcontext.gregs[REG_RIP] = (greg_t)address;
        return;
    }
    if (earlier_trap.sa_flags & SA_SIGINFO) {
        earlier_trap.sa_sigaction(number, info, raw);
    } else if (earlier_trap.sa_handler != SIG_DFL && earlier_trap.sa_handler != SIG_IGN) {
        earlier_trap.sa_handler(number);
    } else {
        signal(number, SIG_DFL);
        raise(number);
    }
}

/* Also called before each arming: LLVM installs its own SIGTRAP handler to remove its files. */
static int handle_traps(void)
{
    struct sigaction now, action;
    if (sigaction(SIGTRAP, NULL, &now) != 0)
        return -1;
    if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_trap)
        return 0;
    earlier_trap = now;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_trap;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART;
    return sigaction(SIGTRAP, &action, NULL);
}

static PyObject *set_up(PyObject *self, PyObject *args)
{
    unsigned long long address;
    Py_buffer blocks;
    if (!PyArg_ParseTuple(args, "Ky*", &address, &blocks))
        return NULL;
    uint32_t count = (uint32_t)(blocks.len / 4);
    if (base != NULL || count == 0) {
        PyBuffer_Release(&blocks);
        PyErr_SetString(PyExc_RuntimeError,
                        base ? "breakpoints are set up already" : "there are no blocks");
        return NULL;
    }
    uint32_t capacity = count + 65536; /* two threads may log the same block */
    offsets = malloc(4 * (size_t)count);
    originals = malloc(count);
    hits = malloc(sizeof *hits * (size_t)capacity);
    if (offsets == NULL || originals == NULL || hits == NULL) {
        PyBuffer_Release(&blocks);
        return PyErr_NoMemory();
    }
    memcpy(offsets, blocks.buf, 4 * (size_t)count);
    memset((void *)hits, 0xFF, sizeof *hits * (size_t)capacity);
    PyBuffer_Release(&blocks);
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t first = (address + offsets[0]) & ~(page - 1);
    uint64_t last = address + offsets[count - 1] + 1;
    if (mprotect((void *)first, last - first, PROT_READ | PROT_WRITE | PROT_EXEC) != 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    for (uint32_t block = 0; block < count; block++)
        originals[block] = *((uint8_t *)address + offsets[block]);
    block_count = count;
    hits_capacity = capacity;
    base = (uint8_t *)address;
    Py_RETURN_NONE;
}

static PyObject *write_bytes(PyObject *args, int arm)
{
    Py_buffer ids;
    if (!PyArg_ParseTuple(args, "y*", &ids))
        return NULL;
    const uint32_t *blocks = ids.buf;
    Py_ssize_t count = ids.len / 4;
    for (Py_ssize_t at = 0; at < count; at++) {
        if (blocks[at] >= block_count) {
            PyBuffer_Release(&ids);
            PyErr_SetString(PyExc_IndexError, "no block has this id");
            return NULL;
        }
    }
    if (arm && handle_traps() != 0) {
        PyBuffer_Release(&ids);
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    for (Py_ssize_t at = 0; at < count; at++)
        *(volatile uint8_t *)(base + offsets[blocks[at]]) = arm ? INT3 : originals[blocks[at]];
    PyBuffer_Release(&ids);
    Py_RETURN_NONE;
}

static PyObject *arm(PyObject *self, PyObject *args) { return write_bytes(args, 1); }

static PyObject *disarm(PyObject *self, PyObject *args) { return write_bytes(args, 0); }

static PyObject *drain(PyObject *self, PyObject *unused)
{
    if (base == NULL)
        return PyBytes_FromStringAndSize(NULL, 0);
    uint64_t pending = atomic_load(&hits_taken) - hits_drained;
    if (pending > hits_capacity) { /* blocks were armed again without a drain: the log wrapped */
        hits_drained += pending - hits_capacity;
        pending = hits_capacity;
    }
    PyObject *ids = PyBytes_FromStringAndSize(NULL, 4 * (Py_ssize_t)pending);
    if (ids == NULL)
        return NULL;
    uint32_t *to = (uint32_t *)PyBytes_AS_STRING(ids);
    Py_ssize_t count = 0;
    for (; (uint64_t)count < pending; count++) {
        uint32_t block = atomic_exchange(&hits[hits_drained % hits_capacity], NO_BLOCK);
        if (block == NO_BLOCK)
            break;
        to[count] = block;
        hits_drained++;
    }
    _PyBytes_Resize(&ids, 4 * count);
    return ids;
}

/* Whether this system allows writing to a library's code (SELinux's execmod may forbid it). */
static PyObject *can_write_code(PyObject *self, PyObject *args)
{
    const char *path;
    if (!PyArg_ParseTuple(args, "s", &path))
        return NULL;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return PyErr_SetFromErrnoWithFilename(PyExc_OSError, path);
    volatile uint8_t *code = mmap(NULL, page, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
    close(file);
    if (code == MAP_FAILED)
        Py_RETURN_FALSE;
    int refused = mprotect((void *)code, page, PROT_READ | PROT_WRITE | PROT_EXEC);
    if (!refused) {
        code[0] = INT3;
        refused = mprotect((void *)code, page, PROT_READ | PROT_EXEC);
    }
    munmap((void *)code, page);
    return PyBool_FromLong(!refused);
}

/* The base address of the first loaded library whose path ends in the given name. */
struct sought {
    const char *name;
    uint64_t address;
    const char *path;
};

static int compare_name(struct dl_phdr_info *info, size_t size, void *raw)
{
    struct sought *sought = raw;
    size_t length = strlen(info->dlpi_name), wanted = strlen(sought->name);
    if (length < wanted || strcmp(info->dlpi_name + length - wanted, sought->name) != 0)
        return 0;
    sought->address = info->dlpi_addr;
    sought->path = info->dlpi_name;
    return 1;
}

static PyObject *find_library(PyObject *self, PyObject *args)
{
    struct sought sought = {NULL, 0, NULL};
    if (!PyArg_ParseTuple(args, "s", &sought.name))
        return NULL;
    if (!dl_iterate_phdr(compare_name, &sought))
        Py_RETURN_NONE;
    return Py_BuildValue("(sK)", sought.path, (unsigned long long)sought.address);
}

static PyMethodDef methods[] = {
    {"set_up", set_up, METH_VARARGS, "set_up(base, offsets): know these blocks (uint32, ascending)."},
    {"arm", arm, METH_VARARGS, "arm(ids): break at these blocks (uint32)."},
    {"disarm", disarm, METH_VARARGS, "disarm(ids): don't break at these blocks (uint32)."},
    {"drain", drain, METH_NOARGS, "drain(): the ids (uint32) hit since the last call."},
    {"can_write_code", can_write_code, METH_VARARGS, "can_write_code(path): may breakpoints be set?"},
    {"find_library", find_library, METH_VARARGS, "find_library(name): (path, address) or None."},
    {"handle_crashes", handle_crashes, METH_VARARGS,
     "handle_crashes(fd): report crashes there; in each thread whose stack may overflow."},
    {NULL, NULL, 0, NULL},
};

#else

static PyMethodDef methods[] = {{NULL, NULL, 0, NULL}};

#endif

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_native", "Breakpoints on basic blocks, and crash reports.", -1, methods,
};

PyMODINIT_FUNC PyInit__native(void) { return PyModule_Create(&module); }
