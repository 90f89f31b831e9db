/* A PKCS#11 module that forwards to `real.so` beside it, but for the faults that the file `faults` beside it names.
 *
 * The function list of PKCS#11 2.40 (section 3.6, CK_FUNCTION_LIST) is a version and 68 pointers in a fixed order; a
 * few are replaced. Faults, words in any order: delay=MILLISECONDS, removed, full, locked, final-try, no-ed25519,
 * no-read-only (sessions), bad-signature, record (each message that is signed, in hexadecimal, a line of `signed`). The file is read at each call, so that a test changes its HSM while it is used.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef unsigned long Word;
typedef Word (*Function)();
typedef struct { unsigned char version[2]; Function at[68]; } List;

enum { GET_FUNCTION_LIST = 3, GET_TOKEN_INFO = 6, GET_MECHANISM_LIST = 7, INIT_TOKEN = 9, OPEN_SESSION = 12, LOGIN = 18,
       FIND_OBJECTS_INIT = 26, SIGN_INIT = 42, SIGN = 43, GENERATE_KEY_PAIR = 59 };
enum { RW_SESSION = 2, FUNCTION_FAILED = 0x06 };
enum { DEVICE_MEMORY = 0x31, DEVICE_REMOVED = 0x32, MECHANISM_INVALID = 0x70, PIN_LOCKED = 0xA4, TOKEN_NOT_PRESENT = 0xE0 };
enum { FLAGS_AT = 96, FINAL_TRY = 0x20000, LOCKED = 0x40000 };
enum { EDWARDS_KEY_PAIR_GEN = 0x1055, EDDSA = 0x1057 };

static List real, faulty;

static void beside(const char *name, char *path, size_t size) {
    Dl_info here;
    dladdr((void *)beside, &here);
    const char *end = strrchr(here.dli_fname, '/');
    snprintf(path, size, "%.*s/%s", (int)(end - here.dli_fname), here.dli_fname, name);
}

static const char *fault(const char *word) {
    static __thread char text[256];
    char path[4096];
    beside("faults", path, sizeof path);
    FILE *file = fopen(path, "r");
    if (!file) return NULL;
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    return strstr(text, word);
}

static Word get_token_info(Word slot, char *info) {
    if (fault("removed")) return TOKEN_NOT_PRESENT;
    Word status = real.at[GET_TOKEN_INFO](slot, info);
    if (status == 0 && fault("locked")) *(Word *)(info + FLAGS_AT) |= LOCKED;
    if (status == 0 && fault("final-try")) *(Word *)(info + FLAGS_AT) |= FINAL_TRY;
    return status;
}

static Word get_mechanism_list(Word slot, Word *list, Word *count) {
    Word status = real.at[GET_MECHANISM_LIST](slot, list, count);
    if (status != 0 || !list || !fault("no-ed25519")) return status;
    Word kept = 0;
    for (Word i = 0; i < *count; i++)
        if (list[i] != EDWARDS_KEY_PAIR_GEN && list[i] != EDDSA) list[kept++] = list[i];
    *count = kept;
    return 0;
}

static Word open_session(Word slot, Word flags, void *application, void *notify, void *session) {
    if (fault("no-read-only") && !(flags & RW_SESSION)) return FUNCTION_FAILED;
    return fault("removed") ? DEVICE_REMOVED : real.at[OPEN_SESSION](slot, flags, application, notify, session);
}

static Word login(Word session, Word user, void *pin, Word length) {
    return fault("locked") ? PIN_LOCKED : real.at[LOGIN](session, user, pin, length);
}

static Word find_objects_init(Word session, void *template, Word count) {
    return fault("removed") ? DEVICE_REMOVED : real.at[FIND_OBJECTS_INIT](session, template, count);
}

static Word sign_init(Word session, void *mechanism, Word key) {
    return fault("removed") ? DEVICE_REMOVED : real.at[SIGN_INIT](session, mechanism, key);
}

static void record(const unsigned char *data, Word size) {
    char path[4096], line[8192];
    Word used = 0;
    beside("signed", path, sizeof path);
    for (Word i = 0; i < size && used < sizeof line - 4; i++) used += sprintf(line + used, "%02x", data[i]);
    line[used++] = '\n';
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (file < 0 || write(file, line, used) != (ssize_t)used) abort();
    close(file);
}

static Word sign(Word session, void *data, Word size, unsigned char *signature, Word *length) {
    const char *delay = fault("delay=");
    if (delay && signature) {
        long ms = atol(delay + 6);
        struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
        nanosleep(&pause, NULL);
    }
    if (fault("removed")) return DEVICE_REMOVED;
    if (signature && fault("record")) record(data, size);
    Word status = real.at[SIGN](session, data, size, signature, length);
    if (status == 0 && signature && fault("bad-signature")) signature[0] ^= 1;
    return status;
}

static Word generate_key_pair(Word session, Word *mechanism, void *a, Word b, void *c, Word d, void *e, void *f) {
    if (fault("full")) return DEVICE_MEMORY;
    if (*mechanism == EDWARDS_KEY_PAIR_GEN && fault("no-ed25519")) return MECHANISM_INVALID;
    return real.at[GENERATE_KEY_PAIR](session, mechanism, a, b, c, d, e, f);
}

__attribute__((constructor)) static void load(void) {
    char path[4096];
    List *list;
    beside("real.so", path, sizeof path);
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    Word (*get)(List **) = handle ? (Word (*)(List **))dlsym(handle, "C_GetFunctionList") : NULL;
    if (!get || get(&list) != 0) abort();
    faulty = real = *list;
    faulty.at[GET_TOKEN_INFO] = (Function)get_token_info;
    faulty.at[GET_MECHANISM_LIST] = (Function)get_mechanism_list;
    faulty.at[OPEN_SESSION] = (Function)open_session;
    faulty.at[LOGIN] = (Function)login;
    faulty.at[FIND_OBJECTS_INIT] = (Function)find_objects_init;
    faulty.at[SIGN_INIT] = (Function)sign_init;
    faulty.at[SIGN] = (Function)sign;
    faulty.at[GENERATE_KEY_PAIR] = (Function)generate_key_pair;
}

Word C_GetFunctionList(List **list) {
    faulty.at[GET_FUNCTION_LIST] = (Function)C_GetFunctionList;
    *list = &faulty;
    return 0;
}

Word C_InitToken(Word slot, void *pin, Word length, void *label) { return real.at[INIT_TOKEN](slot, pin, length, label); }
