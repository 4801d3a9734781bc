/* The crash handler: part of _native.c, and included only there.
 *
 * A handler of fatal signals, on an alternate stack, writes the native backtrace as text to a file
 * descriptor, then lets the process die by the same signal. It neither allocates nor locks.
 */
#include <link.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#define MAX_FRAMES 96
#define MAX_LIBRARIES 256
#define NAME_LENGTH 64
#define ALTERNATE_STACK (256 * 1024)
#define NEAR_STACK (256 * 1024)
#define REPORT_SECONDS 5

struct library {
    uint64_t start, end, base;
    char name[NAME_LENGTH];
};

static struct library libraries[MAX_LIBRARIES];
static int library_count;
static int report_to = -1;
static const int FATAL[] = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL};

static int record_library(struct dl_phdr_info *info, size_t size, void *raw)
{
    if (library_count == MAX_LIBRARIES)
        return 1;
    struct library *library = &libraries[library_count];
    memset(library, 0, sizeof *library);
    library->base = info->dlpi_addr;
    library->start = UINT64_MAX;
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

/* The report is written line by line, so that its beginning survives if the rest fails. The buffer
 * is not on the stack, which may be exhausted; only one thread ever reports. */
static char line[NAME_LENGTH + 64];
static size_t line_length;

static void add(const char *part)
{
    size_t length = strlen(part);
    if (line_length + length <= sizeof line) {
        memcpy(line + line_length, part, length);
        line_length += length;
    }
}

static void add_hex(uint64_t value)
{
    char digits[19] = "0x";
    int count = 1;
    for (uint64_t rest = value; rest >>= 4;)
        count++;
    for (int at = 0; at < count; at++)
        digits[2 + at] = "0123456789abcdef"[(value >> (4 * (count - 1 - at))) & 15];
    digits[2 + count] = 0;
    add(digits);
}

static void end_line(void)
{
    add("\n");
    for (size_t written = 0; written < line_length;) {
        ssize_t part = write(report_to, line + written, line_length - written);
        if (part <= 0)
            break;
        written += (size_t)part;
    }
    line_length = 0;
}

static void report(const char *what, uint64_t value)
{
    add(what);
    add(" ");
    add_hex(value);
    end_line();
}

static void report_frame(uint64_t address)
{
    add("frame ");
    for (int at = 0; at < library_count; at++) {
        if (address >= libraries[at].start && address < libraries[at].end) {
            report(libraries[at].name, address - libraries[at].base);
            return;
        }
    }
    report("?", 0); /* generated code: its address differs from run to run */
}

static uint64_t crashed_at;
static int frames_reported;

static _Unwind_Reason_Code on_frame(struct _Unwind_Context *context, void *unused)
{
    int exact = 0;
    uint64_t address = (uint64_t)_Unwind_GetIPInfo(context, &exact);
    if (address == crashed_at)
        frames_reported = 1; /* the frames before it are those of this handler */
    else if (frames_reported) {
        report_frame(exact ? address : address - 1); /* the call, not its return address */
        frames_reported++;
    }
    return frames_reported < MAX_FRAMES ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static volatile sig_atomic_t fatal_signal;

static void die(int unused)
{
    signal(fatal_signal, SIG_DFL);
    raise(fatal_signal);
}

static void on_crash(int number, siginfo_t *info, void *raw)
{
    static _Atomic int reporter;
    int nobody = 0, self = (int)syscall(SYS_gettid);
    if (!atomic_compare_exchange_strong(&reporter, &nobody, self)) {
        if (nobody == self)
            die(0); /* the unwinder itself crashed */
        for (;;)
            pause(); /* another thread reports, and ends the process */
    }
    fatal_signal = number;
    signal(SIGALRM, die); /* if the unwinder waits for a lock that the crashed code holds */
    alarm(REPORT_SECONDS);
    greg_t *registers = ((ucontext_t *)raw)->uc_mcontext.gregs;
    uint64_t stack = (uint64_t)registers[REG_RSP], fault = (uint64_t)info->si_addr;
    int near = fault + NEAR_STACK > stack && fault < stack + NEAR_STACK;
    report("signal", (uint64_t)number);
    report("overflow", number == SIGSEGV && near);
    if (number != SIGABRT)
        report("fault", fault);
    crashed_at = (uint64_t)registers[REG_RIP];
    report_frame(crashed_at);
    if (number == SIGSEGV && fault == crashed_at) {
        /* A call to an address without code, for which the unwinder has no entry: start at the
         * caller instead. The process never returns to this context. */
        crashed_at = *(uint64_t *)stack - 1;
        registers[REG_RIP] = (greg_t)crashed_at;
        registers[REG_RSP] += 8;
        report_frame(crashed_at);
    }
    _Unwind_Backtrace(on_frame, NULL);
    die(0);
}

static _Unwind_Reason_Code stop_at_once(struct _Unwind_Context *context, void *unused)
{
    return _URC_END_OF_STACK;
}

/* Every thread needs its own alternate stack to survive a stack overflow. */
static int set_alternate_stack(void)
{
    stack_t now;
    if (sigaltstack(NULL, &now) != 0)
        return -1;
    if (!(now.ss_flags & SS_DISABLE) && now.ss_size >= ALTERNATE_STACK)
        return 0;
    void *memory = mmap(NULL, ALTERNATE_STACK, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED)
        return -1;
    stack_t stack = {.ss_sp = memory, .ss_size = ALTERNATE_STACK, .ss_flags = 0};
    return sigaltstack(&stack, NULL);
}

static PyObject *handle_crashes(PyObject *self, PyObject *args)
{
    if (!PyArg_ParseTuple(args, "i", &report_to))
        return NULL;
    if (set_alternate_stack() != 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    library_count = 0;
    dl_iterate_phdr(record_library, NULL);
    _Unwind_Backtrace(stop_at_once, NULL); /* its first call allocates, which a handler must not */
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_crash;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    for (size_t at = 0; at < sizeof FATAL / sizeof *FATAL; at++)
        if (sigaction(FATAL[at], &action, NULL) != 0)
            return PyErr_SetFromErrno(PyExc_OSError);
    Py_RETURN_NONE;
}
