// SPDX-License-Identifier: Apache-2.0
// What one HTTP/2 client says, byte by byte as it likes, before the real relay and polite origins.
// Input: eight bytes of choices (configuration, how the bytes are cut, how much the client reads,
// what origins answer), then the client's bytes; unless the choices say otherwise, behind a preface
// and SETTINGS. Frames that come back are read without tolerance.
#include "fuzz.h"

#include "fake_conn.h"
#include "fuzz_client.h"
#include "fuzz_origin.h"

struct choices {
    unsigned config, kind, greeting, piece, limit, time, how_often;
    const uint8_t *answer; // three bytes and the last of all
};

// Origins answer the same to all, in the way that the choices say.
static void serve(struct fuzz_world *world, const struct choices *choices) {
    fuzz_world_turn(world);
    while (fuzz_world_connect(world)) {
    }
    fuzz_world_turn(world);
    for (unsigned i = 0; i < world->origin_count; i++) {
        struct fuzz_origin *origin = world->origins[i];
        struct fuzz_input input = fuzz_input_of(choices->answer, 4);
        if (!origin->is_gone && fuzz_origin_is_asked(origin)) {
            if ((choices->how_often & 4) != 0) {
                fuzz_origin_say_interim(origin, &input);
            }
            fuzz_origin_say_head(origin, &input);
            fuzz_origin_say_content(origin, (choices->how_often & 8) ? 1000 : UINT64_MAX);
        }
    }
    fuzz_world_turn(world);
}

static void run(struct fuzz_world *world, struct fuzz_client *client, struct slice text,
                const struct choices *choices) {
    static const size_t pieces[] = {SIZE_MAX, 1, 2, 3, 9, 10, 13, 100};
    static const size_t limits[] = {SIZE_MAX, SIZE_MAX, 0, 1, 50, 5000, 20000, 100000};
    static const uint64_t times[] = {0, 0, 1, 100, 1000, 3000, 11000, 61000};
    unsigned rounds = 0;
    fake_conn_set_piece(client->conn, pieces[choices->piece >> 3 & 7]);
    fake_conn_set_limit(client->conn, limits[choices->limit & 7]);
    while (text.length > 0 && rounds < 300) {
        // Long ones in large pieces, or there would be no end.
        size_t least = text.length / 200 + 1;
        size_t length = pieces[choices->piece & 7];
        length = length > least ? length : least;
        fuzz_client_say_raw(client, slice_first(text, length));
        text = slice_skip(text, length);
        if (rounds++ % (1 + (choices->how_often & 3)) == 0) {
            serve(world, choices);
            fuzz_world_pass(world, times[choices->time & 7]);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct fuzz_world world; // large
    struct fuzz_input input = fuzz_input_of(data, size);
    unsigned first = fuzz_byte(&input);
    struct choices choices = {.config = first & 1, .kind = first >> 1 & 1};
    choices.greeting = first >> 2 & 1;
    choices.piece = fuzz_byte(&input);
    choices.limit = fuzz_byte(&input);
    choices.time = choices.limit >> 4;
    choices.how_often = fuzz_byte(&input);
    static const uint8_t none[4];
    struct slice answer = fuzz_take(&input, 4);
    choices.answer = answer.length == 4 ? (const uint8_t *)answer.data : none;
    fuzz_world_open(&world, choices.config);
    struct fuzz_client *client;
    if (choices.greeting == 0) {
        struct fuzz_input greeting = fuzz_input_of((const uint8_t *)"\0", 1);
        client = fuzz_client_create(&world, choices.kind * 2, &greeting);
    } else {
        client = fuzz_client_create_raw(&world, choices.kind == 0);
        client->takes_pushes = true;
    }
    fuzz_world_turn(&world);
    run(&world, client, fuzz_rest(&input), &choices);
    serve(&world, &choices);
    fuzz_world_pass(&world, 2500);
    fuzz_world_settle(&world);
    if ((first & 0x10) != 0) {
        fuzz_world_drain(&world);
        fuzz_world_settle(&world);
        fuzz_world_pass(&world, 1000);
        fuzz_world_settle(&world);
    }
    for (unsigned i = 0; i < 4; i++) { // whoever stands still is ended
        fuzz_world_pass(&world, 61000);
        fuzz_world_turn(&world);
    }
    fuzz_world_close(&world);
    return 0;
}
