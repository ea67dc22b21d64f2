// SPDX-License-Identifier: Apache-2.0
// The driver where there is no libFuzzer: gives a target the files named, and all in the folders
// named; then changed ones, so many or for a while. With the same seed and files they are the same.
// Whoever ends the process by a fault finds the input in the file "crash-..." of the working
// directory.
//
//   fuzz_url [--runs N] [--for MS] [--seed N] FILE|FOLDER...
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"

enum { MOST_FILES = 4096, MOST_BYTES = 64 * 1024, MOST_CHANGES = 8 };

struct file {
    uint8_t *bytes;
    size_t length;
};

static struct file files[MOST_FILES];
static size_t file_count;
static const uint8_t *current;
static size_t current_length;
static uint64_t random_state;

// Of the sanitizers, where there are any.
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void keep_input(void) {
    char name[64];
    if (current == NULL) {
        return; // after all of them: a leak, whose input nobody knows
    }
    snprintf(name, sizeof(name), "crash-%ld", (long)getpid());
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) {
        return;
    }
    if (write(fd, current, current_length) == (ssize_t)current_length) {
        fprintf(stderr, "fuzz: the input is in %s\n", name);
    }
    close(fd);
}

static void on_signal(int number) {
    keep_input();
    signal(number, SIG_DFL);
    raise(number);
}

static void add_file(const char *path) {
    FILE *stream = fopen(path, "rb");
    if (stream == NULL || file_count == MOST_FILES) {
        perror(path);
        exit(2);
    }
    struct file *file = &files[file_count++];
    file->bytes = alloc_bytes(MOST_BYTES);
    file->length = fread(file->bytes, 1, MOST_BYTES, stream);
    file->bytes = alloc_resize(file->bytes, file->length);
    fclose(stream);
}

static void add_path(const char *path) {
    DIR *folder = opendir(path);
    if (folder == NULL) {
        add_file(path);
        return;
    }
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        char name[4096];
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.') {
            add_file(name);
        }
    }
    closedir(folder);
}

static int compare_files(const void *a, const void *b) {
    const struct file *first = a;
    const struct file *second = b;
    size_t common = first->length < second->length ? first->length : second->length;
    int order = common > 0 ? memcmp(first->bytes, second->bytes, common) : 0;
    return order != 0 ? order : (first->length > second->length) - (first->length < second->length);
}

static void run(const uint8_t *bytes, size_t length) {
    uint8_t *copy = memcpy(alloc_bytes(length), bytes, length);
    current = copy;
    current_length = length;
    LLVMFuzzerTestOneInput(copy, length);
    current = NULL;
    free(copy);
}

static uint64_t now_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static size_t random_below(size_t bound) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return bound > 0 ? (size_t)(random_state >> 11) % bound : 0;
}

// One change: a byte, a piece taken out, a piece of this or another file put in.
static void change(struct file *file) {
    size_t at = random_below(file->length + 1);
    size_t length = 1 + random_below(random_below(8) == 0 ? 512 : 8);
    switch (random_below(5)) {
    case 0:
        if (at < file->length) {
            file->bytes[at] = (uint8_t)random_below(256);
        }
        break;
    case 1:
        if (at < file->length) {
            file->bytes[at] ^= (uint8_t)(1U << random_below(8));
        }
        break;
    case 2:
        length = length < file->length - at ? length : file->length - at;
        memmove(file->bytes + at, file->bytes + at + length, file->length - at - length);
        file->length -= length;
        break;
    default: {
        const struct file *other = &files[random_below(file_count)];
        size_t from = random_below(other->length + 1);
        length = length < other->length - from ? length : other->length - from;
        length = length < MOST_BYTES - file->length ? length : MOST_BYTES - file->length;
        memmove(file->bytes + at + length, file->bytes + at, file->length - at);
        memcpy(file->bytes + at, other->bytes + from, length);
        file->length += length;
        break;
    }
    }
}

static size_t run_changed(uint64_t most, uint64_t for_ms) {
    struct file changed = {.bytes = alloc_bytes(MOST_BYTES)};
    uint64_t until_ms = now_ms() + for_ms;
    size_t runs = 0;
    for (; runs < most || (for_ms > 0 && now_ms() < until_ms); runs++) {
        const struct file *file = &files[random_below(file_count)];
        changed.length = file->length;
        memcpy(changed.bytes, file->bytes, file->length);
        for (size_t i = 1 + random_below(MOST_CHANGES); i > 0; i--) {
            change(&changed);
        }
        run(changed.bytes, changed.length);
    }
    free(changed.bytes);
    return runs;
}

int main(int argc, char **argv) {
    uint64_t most = 0;
    uint64_t for_ms = 0;
    uint64_t seed = 1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--runs") == 0 && i + 1 < argc) {
            most = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--for") == 0 && i + 1 < argc) {
            for_ms = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            seed = strtoull(argv[++i], NULL, 10);
        } else {
            add_path(argv[i]);
        }
    }
    if (file_count == 0) {
        fprintf(stderr, "usage: %s [--runs N] [--for MS] [--seed N] FILE|FOLDER...\n", argv[0]);
        return 2;
    }
    if (__sanitizer_set_death_callback != NULL) {
        __sanitizer_set_death_callback(keep_input);
    }
    signal(SIGABRT, on_signal);
    qsort(files, file_count, sizeof(files[0]), compare_files);
    for (size_t i = 0; i < file_count; i++) {
        run(files[i].bytes, files[i].length);
    }
    random_state = seed * 2 + 1;
    size_t runs = run_changed(most, for_ms);
    printf("%zu files, %zu changed ones, seed %llu\n", file_count, runs, (unsigned long long)seed);
    for (size_t i = 0; i < file_count; i++) {
        free(files[i].bytes);
    }
    return 0;
}
