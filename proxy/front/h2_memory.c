// SPDX-License-Identifier: Apache-2.0
#include <stdalign.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/spare.h"
#include "h2_impl.h"

// The library takes a whole frame's room when a session begins and an idle session never writes
// more than its first bytes. Memory of malloc is there in full, since others have written to it;
// pages of our own come one by one.
enum { FRAME_ROOM_LEAST = 16 * 1024, FRAME_ROOM_MOST = 20 * 1024 };

// Each stream takes and gives a handful of small blocks. The library gives back a pointer only, so
// the size stands before it.
enum { SMALL_MOST_BYTES = 512 - 16 };

struct head {
    alignas(max_align_t) size_t whole; // with the head, as spare_take knows it; 0: from malloc
};

static void *take(size_t size, void *user);
static bool take_frame_room(struct h2_session *session);
static void *block_of(struct head *head, size_t whole);
static void give(void *memory, void *user);
static void *take_zeroed(size_t count, size_t size, void *user);
static void *resize(void *memory, size_t size, void *user);

nghttp2_mem h2_memory_of(struct h2_session *session) {
    return (nghttp2_mem){.mem_user_data = session,
                         .malloc = take,
                         .free = give,
                         .calloc = take_zeroed,
                         .realloc = resize};
}

static void *take(size_t size, void *user) {
    struct h2_session *session = user;
    if (ALLOC_IS_WATCHED) {
        return malloc(size);
    }
    bool is_frame_room = size >= FRAME_ROOM_LEAST && size <= FRAME_ROOM_MOST;
    if (is_frame_room && session->frame_room == NULL && take_frame_room(session)) {
        return session->frame_room;
    }
    if (size > SMALL_MOST_BYTES) {
        struct head *block = malloc(sizeof(*block) + size);
        return block != NULL ? block_of(block, 0) : NULL;
    }
    size_t whole = SPARE_LEAST_BYTES;
    while (whole < sizeof(struct head) + size) {
        whole *= 2;
    }
    return block_of(spare_take(whole), whole);
}

static bool take_frame_room(struct h2_session *session) {
    void *room =
        mmap(NULL, FRAME_ROOM_MOST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED) { // the kernel counts mappings; any memory will do
        return false;
    }
    madvise(room, FRAME_ROOM_MOST, MADV_NOHUGEPAGE); // neighbours become one mapping
    session->frame_room = room;
    return true;
}

static void *block_of(struct head *head, size_t whole) {
    head->whole = whole;
    return head + 1;
}

static void give(void *memory, void *user) {
    struct h2_session *session = user;
    if (memory == NULL || ALLOC_IS_WATCHED) {
        free(memory);
        return;
    }
    if (memory == session->frame_room) {
        munmap(memory, FRAME_ROOM_MOST);
        session->frame_room = NULL;
        return;
    }
    struct head *head = (struct head *)memory - 1;
    if (head->whole > 0) {
        spare_give(head, head->whole);
    } else {
        free(head);
    }
}

static void *take_zeroed(size_t count, size_t size, void *user) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        return NULL;
    }
    void *memory = take(bytes, user);
    return memory != NULL ? memset(memory, 0, bytes) : NULL;
}

// By which the library also takes what it has not yet.
static void *resize(void *memory, size_t size, void *user) {
    struct h2_session *session = user;
    if (memory == NULL) {
        return take(size, user);
    }
    if (ALLOC_IS_WATCHED) {
        return realloc(memory, size);
    }
    struct head *head = (struct head *)memory - 1;
    bool is_frame_room = memory == session->frame_room;
    if (!is_frame_room && head->whole == 0) {
        struct head *resized = realloc(head, sizeof(*head) + size);
        return resized != NULL ? block_of(resized, 0) : NULL;
    }
    size_t had = is_frame_room ? FRAME_ROOM_MOST : head->whole - sizeof(*head);
    if (size <= had) {
        return memory;
    }
    void *larger = take(size, user);
    if (larger != NULL) {
        memcpy(larger, memory, had);
        give(memory, user);
    }
    return larger;
}
