/* One-shot breakpoints on basic blocks, and a crash handler. Linux on x86-64.
 *
 * Breakpoints: the first byte of every armed block is replaced by 0xCC (int3). The first thread that
 * arrives gets SIGTRAP; the handler puts the byte back, writes down the block and steps back, so that
 * the block runs, and never stops again ("Full-speed Fuzzing: Reducing Fuzzing Overhead through
 * Coverage-guided Tracing", Nagy and Hicks, S&P 2019). All handler code is async-signal-safe.
 *
 * Crash handler: on a separate stack, writes the native backtrace as text to a file descriptor, then
 * lets the process die by the same signal.
 */
#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#if defined(__linux__) && defined(__x86_64__)

#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define INT3 0xCC

/* The breakpoints. All are set up once, before the first one is armed. */
static uint8_t *base;           /* where the library is loaded */
static uint32_t *offsets;       /* of every block, from base, ascending */
static uint8_t *originals;      /* the first byte of every block */
static uint32_t block_count;
static uint32_t *hits;          /* ids of blocks, in the order of their hits */
static uint32_t hits_capacity;
static _Atomic uint32_t hit_count;
static struct sigaction earlier_trap;

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
        /* Another thread may be here too: both write the same byte. */
        *(volatile uint8_t *)address = originals[block];
        uint32_t at = atomic_fetch_add(&hit_count, 1);
        if (at < hits_capacity)
            hits[at] = block;
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

static PyObject *set_up(PyObject *self, PyObject *args)
{
    unsigned long long address;
    Py_buffer blocks;
    if (!PyArg_ParseTuple(args, "Ky*", &address, &blocks))
        return NULL;
    if (base != NULL) {
        PyBuffer_Release(&blocks);
        PyErr_SetString(PyExc_RuntimeError, "breakpoints are set up already");
        return NULL;
    }
    uint32_t count = (uint32_t)(blocks.len / 4);
    uint32_t capacity = count + 65536; /* threads that meet at a block are both counted */
    offsets = malloc(4 * (size_t)count + 1);
    originals = malloc(count + 1);
    hits = malloc(4 * (size_t)capacity);
    if (offsets == NULL || originals == NULL || hits == NULL) {
        PyBuffer_Release(&blocks);
        return PyErr_NoMemory();
    }
    memcpy(offsets, blocks.buf, 4 * (size_t)count);
    PyBuffer_Release(&blocks);
    if (count > 0) {
        uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
        uint64_t first = (address + offsets[0]) & ~(page - 1);
        uint64_t last = address + offsets[count - 1] + 1;
        if (mprotect((void *)first, last - first, PROT_READ | PROT_WRITE | PROT_EXEC) != 0)
            return PyErr_SetFromErrno(PyExc_OSError);
    }
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_trap;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    if (sigaction(SIGTRAP, &action, &earlier_trap) != 0)
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
    for (Py_ssize_t at = 0; at < count; at++)
        *(volatile uint8_t *)(base + offsets[blocks[at]]) = arm ? INT3 : originals[blocks[at]];
    PyBuffer_Release(&ids);
    Py_RETURN_NONE;
}

static PyObject *arm(PyObject *self, PyObject *args) { return write_bytes(args, 1); }

static PyObject *disarm(PyObject *self, PyObject *args) { return write_bytes(args, 0); }

static PyObject *drain(PyObject *self, PyObject *unused)
{
    uint32_t count = atomic_load(&hit_count);
    if (count > hits_capacity)
        count = hits_capacity;
    PyObject *ids = PyBytes_FromStringAndSize((const char *)hits, 4 * (Py_ssize_t)count);
    if (ids != NULL)
        atomic_store(&hit_count, 0);
    return ids;
}

/* Where a library is loaded: the first address of the one whose path ends in the given name. */
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

/* The crash handler. */
#define MAX_FRAMES 96
#define MAX_LIBRARIES 256
#define NAME_LENGTH 64
#define ALTERNATE_STACK (256 * 1024)
#define NEAR_STACK (256 * 1024)

struct library {
    uint64_t start, end, base;
    char name[NAME_LENGTH];
};

static struct library libraries[MAX_LIBRARIES];
static int library_count;
static int report_to = -1;
static const int FATAL[] = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL};

static int note_library(struct dl_phdr_info *info, size_t size, void *raw)
{
    if (library_count == MAX_LIBRARIES)
        return 1;
    struct library *library = &libraries[library_count];
    library->base = info->dlpi_addr;
    library->start = UINT64_MAX;
    library->end = 0;
    for (int at = 0; at < info->dlpi_phnum; at++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[at];
        if (header->p_type != PT_LOAD || !(header->p_flags & PF_X))
            continue;
        uint64_t start = info->dlpi_addr + header->p_vaddr;
        if (start < library->start)
            library->start = start;
        if (start + header->p_memsz > library->end)
            library->end = start + header->p_memsz;
    }
    const char *slash = strrchr(info->dlpi_name, '/');
    const char *name = slash ? slash + 1 : info->dlpi_name;
    strncpy(library->name, *name ? name : "python", NAME_LENGTH - 1);
    library_count++;
    return 0;
}

struct text {
    char bytes[16384];
    size_t length;
};

static void add(struct text *text, const char *part)
{
    size_t length = strlen(part);
    if (text->length + length <= sizeof text->bytes) {
        memcpy(text->bytes + text->length, part, length);
        text->length += length;
    }
}

static void add_hex(struct text *text, uint64_t value)
{
    char digits[19] = "0x";
    int count = 1;
    for (uint64_t rest = value; rest >>= 4;)
        count++;
    for (int at = 0; at < count; at++)
        digits[2 + at] = "0123456789abcdef"[(value >> (4 * (count - 1 - at))) & 15];
    digits[2 + count] = 0;
    add(text, digits);
}

static void add_frame(struct text *text, uint64_t address)
{
    add(text, "frame ");
    for (int at = 0; at < library_count; at++) {
        if (address >= libraries[at].start && address < libraries[at].end) {
            add(text, libraries[at].name);
            add(text, " ");
            add_hex(text, address - libraries[at].base);
            add(text, "\n");
            return;
        }
    }
    add(text, "? ");
    add_hex(text, address);
    add(text, "\n");
}

static void on_crash(int number, siginfo_t *info, void *raw)
{
    static struct text text; /* not on the stack, which may be used up */
    ucontext_t *context = raw;
    uint64_t at = (uint64_t)context->uc_mcontext.gregs[REG_RIP];
    uint64_t stack = (uint64_t)context->uc_mcontext.gregs[REG_RSP];
    uint64_t fault = (uint64_t)info->si_addr;
    int near = fault + NEAR_STACK > stack && fault < stack + NEAR_STACK;
    text.length = 0;
    add(&text, "signal ");
    add_hex(&text, (uint64_t)number);
    add(&text, "\noverflow ");
    add_hex(&text, number == SIGSEGV && near);
    add(&text, "\nfault ");
    add_hex(&text, fault);
    add(&text, "\n");
    add_frame(&text, at);
    void *frames[MAX_FRAMES];
    int count = backtrace(frames, MAX_FRAMES), first = 0;
    while (first < count && (uint64_t)frames[first] != at)
        first++;
    for (int frame = first + 1; frame < count; frame++)
        add_frame(&text, (uint64_t)frames[frame] - 1); /* the call, not what follows it */
    for (size_t written = 0; written < text.length;) {
        ssize_t part = write(report_to, text.bytes + written, text.length - written);
        if (part <= 0)
            break;
        written += (size_t)part;
    }
    /* SA_RESETHAND has put the default action back. */
    raise(number);
}

static PyObject *handle_crashes(PyObject *self, PyObject *args)
{
    static uint8_t stack[ALTERNATE_STACK];
    if (!PyArg_ParseTuple(args, "i", &report_to))
        return NULL;
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack, .ss_flags = 0};
    if (sigaltstack(&alternate, NULL) != 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    library_count = 0;
    dl_iterate_phdr(note_library, NULL);
    void *frames[4];
    backtrace(frames, 4); /* the first call loads the unwinder, which a handler must not do */
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_crash;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND | SA_NODEFER;
    for (size_t at = 0; at < sizeof FATAL / sizeof *FATAL; at++)
        if (sigaction(FATAL[at], &action, NULL) != 0)
            return PyErr_SetFromErrno(PyExc_OSError);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"set_up", set_up, METH_VARARGS, "set_up(base, offsets): know these blocks (uint32, ascending)."},
    {"arm", arm, METH_VARARGS, "arm(ids): break at these blocks (uint32)."},
    {"disarm", disarm, METH_VARARGS, "disarm(ids): don't break at these blocks (uint32)."},
    {"drain", drain, METH_NOARGS, "drain(): the ids (uint32) hit since the last call."},
    {"find_library", find_library, METH_VARARGS, "find_library(name): (path, address) or None."},
    {"handle_crashes", handle_crashes, METH_VARARGS, "handle_crashes(fd): report crashes there."},
    {NULL, NULL, 0, NULL},
};

#else

static PyMethodDef methods[] = {{NULL, NULL, 0, NULL}};

#endif

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_native", "Breakpoints on basic blocks, and crash reports.", -1, methods,
};

PyMODINIT_FUNC PyInit__native(void) { return PyModule_Create(&module); }
