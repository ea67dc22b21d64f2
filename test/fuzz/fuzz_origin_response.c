// SPDX-License-Identifier: Apache-2.0
// What an origin answers, byte by byte as it likes, to a request that came by the real front and
// relay. Input: three bytes of choices (who asks and how, how the answer is cut, how it ends), then
// the answer. Given whole and in pieces it must come to the same for the client; it never looks
// complete when it is not; and the next request, perhaps on the same connection, gets its own
// answer and nothing of this one.
#include "fuzz.h"

#include "fake_conn.h"
#include "fuzz_client.h"
#include "fuzz_origin.h"

struct outcome {
    bool is_complete;
    bool is_of_proxy; // its text says why, and of two reasons either may be found first
    int status;
    uint64_t places;
    uint32_t sum;
};

// To what was asked last. (Promised streams stand between those of HTTP/2.)
static struct fuzz_answer *last_answer(struct fuzz_client *client) {
    if (!client->is_h2) {
        return &client->pipeline[client->asked_count - 1];
    }
    struct fuzz_stream *stream = &client->streams[client->stream_count - 1];
    while (stream->id != client->last_id) {
        stream--;
    }
    return &stream->answer;
}

static void ask(struct fuzz_world *world, struct fuzz_client *client, unsigned method,
                unsigned bits) {
    // Method, kind and page, length, fields, and how it is said.
    const uint8_t wish[] = {(uint8_t)method, 0, 3, (uint8_t)bits, 0, 0};
    struct fuzz_input input = fuzz_input_of(wish, sizeof(wish));
    fuzz_client_request(client, &input);
    for (unsigned i = 0; i < 3; i++) {
        fuzz_world_turn(world);
        fuzz_world_connect(world);
    }
    if (method >= 6) {
        const uint8_t content[] = {0, 0, 50, 1};
        input = fuzz_input_of(content, sizeof(content));
        fuzz_client_content(client, &input);
        fuzz_world_turn(world);
    }
}

static void say_all(struct fuzz_world *world, struct fuzz_origin *origin, struct slice text,
                    size_t piece, unsigned ending) {
    size_t least = text.length / 300 + 1;
    piece = piece > least ? piece : least;
    while (text.length > 0) {
        fuzz_origin_say_raw(origin, slice_first(text, piece));
        text = slice_skip(text, piece);
        if (text.length > 0) { // an end comes in the same turn as what stands before it
            fuzz_world_turn(world);
        }
    }
    if (ending % 4 < 2) {
        fuzz_origin_leave(origin, ending % 4 == 1);
    } else if (ending % 4 == 2) {
        fuzz_world_turn(world);
        fuzz_world_pass(world, 61000); // it says no more
    }
    fuzz_world_turn(world);
}

static void run(unsigned choices, unsigned ending, struct slice text, size_t piece,
                struct outcome *out_outcome) {
    static struct fuzz_world world; // large
    static const unsigned methods[] = {0, 0, 5, 6};
    static const size_t limits[] = {SIZE_MAX, SIZE_MAX, 3000, SIZE_MAX};
    fuzz_world_open(&world, choices >> 7 & 1);
    struct fuzz_input greeting = fuzz_input_of((const uint8_t *)"\0", 1);
    struct fuzz_client *client = fuzz_client_create(&world, choices & 1, &greeting);
    fuzz_world_turn(&world);
    ask(&world, client, methods[choices >> 1 & 3], (choices & 8) ? 0x80 : 0);
    fuzz_check(world.origin_count == 1);
    struct fuzz_origin *origin = world.origins[0];
    fuzz_origin_hear(origin);
    fake_conn_set_limit(client->conn, limits[choices >> 5 & 3]);
    if (fuzz_origin_is_asked(origin)) {
        say_all(&world, origin, text, piece, ending);
    }
    struct fuzz_answer *answer = last_answer(client);
    world.asked[answer->asked.number].is_garbled = true;
    world.has_garbled = true;
    fuzz_world_settle(&world);
    fuzz_world_pass(&world, 3000);
    fuzz_world_settle(&world);
    *out_outcome = (struct outcome){.is_complete = answer->is_over,
                                    .is_of_proxy = answer->is_of_proxy,
                                    .status = answer->status,
                                    .places = answer->places,
                                    .sum = answer->sum};
    // The next one.
    if (!client->is_gone && !fake_conn_is_closing(client->conn)) {
        ask(&world, client, 0, 0);
        fuzz_world_settle(&world);
        const struct fuzz_answer *next = last_answer(client);
        fuzz_check(!client->is_h2 || (next->is_over && next->status == 200));
        fuzz_check(!client->is_h2 || !next->is_of_proxy);
    }
    fuzz_world_close(&world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_input input = fuzz_input_of(data, size);
    unsigned choices = fuzz_byte(&input);
    size_t piece = 1 + (size_t)fuzz_byte(&input);
    unsigned ending = fuzz_byte(&input);
    struct slice text = fuzz_rest(&input);
    struct outcome whole;
    struct outcome pieces;
    run(choices, ending, text, SIZE_MAX, &whole);
    run(choices, ending, text, piece, &pieces);
    fuzz_trace("whole: %d %d %llu; pieces: %d %d %llu\n", whole.is_complete, whole.status,
               (unsigned long long)whole.places, pieces.is_complete, pieces.status,
               (unsigned long long)pieces.places);
    fuzz_check(whole.is_complete == pieces.is_complete);
    if (whole.is_complete) {
        fuzz_check(whole.status == pieces.status && whole.is_of_proxy == pieces.is_of_proxy);
        fuzz_check(whole.is_of_proxy || (whole.places == pieces.places && whole.sum == pieces.sum));
    }
    return 0;
}
