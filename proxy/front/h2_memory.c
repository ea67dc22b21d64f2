// SPDX-License-Identifier: Apache-2.0
#include <sys/mman.h>

#include "base/alloc.h"
#include "h2_impl.h"

// The library takes a whole frame's room when a session begins and an idle session never writes
// more than its first bytes. Memory of malloc is there in full, since others have written to it;
// pages of our own come one by one.
enum { FRAME_ROOM_LEAST = 16 * 1024, FRAME_ROOM_MOST = 20 * 1024 };

static void *take(size_t size, void *user);
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
    if (ALLOC_IS_WATCHED || size < FRAME_ROOM_LEAST || size > FRAME_ROOM_MOST ||
        session->frame_room != NULL) {
        return malloc(size);
    }
    void *room =
        mmap(NULL, FRAME_ROOM_MOST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED) { // the kernel counts mappings; any memory will do
        return malloc(size);
    }
    madvise(room, FRAME_ROOM_MOST, MADV_NOHUGEPAGE); // neighbours become one mapping
    session->frame_room = room;
    return room;
}

static void give(void *memory, void *user) {
    struct h2_session *session = user;
    if (memory == NULL || memory != session->frame_room) {
        free(memory);
        return;
    }
    munmap(memory, FRAME_ROOM_MOST);
    session->frame_room = NULL;
}

static void *take_zeroed(size_t count, size_t size, void *user) {
    (void)user;
    return calloc(count, size);
}

// By which the library also takes what it has not yet.
static void *resize(void *memory, size_t size, void *user) {
    struct h2_session *session = user;
    if (memory == NULL) {
        return take(size, user);
    }
    if (memory != session->frame_room) {
        return realloc(memory, size);
    }
    void *larger = malloc(size);
    if (larger != NULL) {
        memcpy(larger, memory, size < FRAME_ROOM_MOST ? size : FRAME_ROOM_MOST);
        give(memory, user);
    }
    return larger;
}
