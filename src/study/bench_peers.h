/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bench_peers.h - other libraries that multiply, loaded at run time where they are installed. */
#ifndef BB_STUDY_BENCH_PEERS_H
#define BB_STUDY_BENCH_PEERS_H
#include "study/bench_parts.h"

/* Weights as bb_quantize_rows makes them. */
typedef struct bb_peer_weights {
    const bb_dtype *type;
    const unsigned char *blocks; /* [out] rows of row_bytes */
    size_t row_bytes, out, in;
} bb_peer_weights;

/* A library. Its calls know nothing of ours; what is given to it stays the caller's. */
typedef struct bb_peer {
    const char *name;
    /* Loads it for so many threads; NULL when it is not there or not what it should be, `note` then says why. `where`
     * is the folder that it is in, NULL = where the system finds it. */
    void *(*open)(const char *where, unsigned threads, char *note, size_t size);
    void (*close)(void *library);
    /* In how many ways it multiplies weights of a type: 0 = not at all. */
    size_t (*ways)(void *library, const bb_dtype *type);
    /* Copies of the weights as that way wants them, and its name with what the library chose into isa ("openblas:Zen").
     * BB_E_UNSUPPORTED when this way does not take them after all. */
    bb_status (*load)(void *library, size_t way, const bb_peer_weights *w, size_t copies, char *isa, size_t isa_size,
                      void **product);
    /* x [tokens][in], which stays until the next start or unload. BB_E_UNSUPPORTED, as of call: the library failed. */
    bb_status (*start)(void *product, const float *x, size_t tokens);
    bb_bench_call *call;                     /* ctx is the product */
    void (*result)(void *product, float *y); /* of the last call, [tokens][out] */
    void (*unload)(void *product);
} bb_peer;

extern const bb_peer bb_peer_openblas, bb_peer_gslcblas, bb_peer_ggml;

enum { BB_PEERS = 3 };
typedef struct bb_peers {
    void *library[BB_PEERS]; /* NULL = not there */
    /* Rows that a library did not give though it has a way for the type, and the first of them. */
    struct {
        size_t n;
        const char *type;
        uint64_t tokens;
    } failed[BB_PEERS];
} bb_peers;

/* Opens what is there; a note for each that is or is not. */
void bb_peers_open(bb_peers *peers, const char *ggml_dir, unsigned threads, bb_bench_report *report);
void bb_peers_close(bb_peers *peers);
/* A note for each that failed. */
void bb_peers_tell(const bb_peers *peers, bb_bench_report *report);
size_t bb_peers_ways(const bb_peers *peers, const bb_dtype *type);
/* A row for every way and number of tokens, each given to `add` with the number of its sample. Of row, what the weights
 * are and what their arithmetic is: bb_bench_rate fills in the rest. What a library fails at is counted, and no error.
 */
bb_status bb_peers_measure(bb_peers *peers, const bb_peer_weights *w, const bb_bench_data *d,
                           const bb_bench_clock *clock, bb_progress *progress, void *ctx,
                           bb_status (*add)(void *ctx, size_t sample, const bb_bench_row *row));

/* A function of a loaded library into the pointer at `function`; false when it has none of that name. */
bool bb_peer_symbol(void *library, const char *name, void *function);
#endif
