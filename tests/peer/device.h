/* SPDX-License-Identifier: GPL-3.0-or-later */
/* device.h - a stand-in for a GPU in libllama v0.5.0: it takes every operation, computes none and keeps no data, so
 * that a program can see which buffers are asked of it. Structures of its ggml-backend-impl.h (API version 2). */
#ifndef BB_TESTS_PEER_DEVICE_H
#define BB_TESTS_PEER_DEVICE_H
#include "llama.h"

enum { DEVICES = 4, BUFFERS = 256, GPU = 1, USAGE_COMPUTE = 2, DEVICE_API = 2, HOST_ALIGN = 32 };

/* ggml_tensor of its ggml.h, as far as an alloc size needs it. */
typedef struct device_tensor {
    int type;
    void *buffer;
    int64_t ne[4];
    size_t nb[4];
    int op;
} device_tensor;

typedef struct device_type device_type;
typedef struct device_buffer device_buffer;
typedef struct device device;
typedef struct device_stream device_stream;

typedef struct device_buffer_calls {
    void (*free)(device_buffer *);
    void *(*base)(device_buffer *);
    int (*init)(device_buffer *, void *);
    void (*fill)(device_buffer *, void *, uint8_t, size_t, size_t);
    void (*set)(device_buffer *, void *, const void *, size_t, size_t);
    void (*get)(device_buffer *, const void *, void *, size_t, size_t);
    void (*set_2d)(void), (*get_2d)(void);
    bool (*copy)(device_buffer *, const void *, void *);
    void (*clear)(device_buffer *, uint8_t);
    void (*reset)(device_buffer *);
} device_buffer_calls;

struct device_buffer {
    device_buffer_calls calls;
    device_type *type;
    void *context; /* the memory */
    size_t size;
    int usage;
};

struct device_type {
    const char *(*name)(device_type *);
    device_buffer *(*alloc)(device_type *, size_t);
    size_t (*align)(device_type *);
    size_t (*max)(device_type *);
    size_t (*bytes)(device_type *, const device_tensor *);
    bool (*is_host)(device_type *);
    device *owner;
    void *context;
};

typedef struct device_caps {
    bool async, host_buffer, from_pointer, events, mmap;
} device_caps;

typedef struct device_props {
    const char *name, *description;
    size_t free, total;
    int type;
    const char *id;
    device_caps caps;
} device_props;

typedef struct device_registry {
    int version;
    const char *(*name)(struct device_registry *);
    size_t (*count)(struct device_registry *);
    device *(*at)(struct device_registry *, size_t);
    void *(*function)(struct device_registry *, const char *);
    void *context;
} device_registry;

struct device {
    const char *(*name)(device *), *(*description)(device *);
    void (*memory)(device *, size_t *, size_t *);
    int (*type)(device *);
    void (*props)(device *, device_props *);
    device_stream *(*start)(device *, const char *);
    device_type *(*buffers)(device *), *(*host_buffers)(device *);
    void *(*from_pointer)(void);
    bool (*takes_op)(device *, const device_tensor *), (*takes_buffer)(device *, device_type *);
    bool (*leaves_weights)(device *, const device_tensor *);
    void *(*event_new)(device *);
    void (*event_free)(device *, void *), (*event_wait)(device *, void *);
    device_registry *registry;
    void *context;
};

struct device_stream {
    const void *guid;
    const char *(*name)(device_stream *);
    void (*free)(device_stream *);
    void (*transfers[5])(void);
    void (*wait)(device_stream *);
    void (*plans[4])(void);
    int (*compute)(device_stream *, void *);
    void (*event_record)(device_stream *, void *), (*event_wait)(device_stream *, void *);
    void (*optimize)(void);
    device *owner;
    void *context;
};

/* ---- the stand-in ---- */

typedef struct stand_in {
    bool cuda; /* alignment, padding of rows, leaving weights of the host: else as a device over RPC */
    size_t n;
    device devices[DEVICES];
    device_type types[DEVICES], host_type;
    device_buffer *buffers[BUFFERS]; /* that live now, NULL = none */
    char names[DEVICES][16];
    device_registry registry;
    int op_mul_mat, op_mul_mat_id, op_rope, op_get_rows;
    device_buffer *(*buffer_init)(device_type *, device_buffer_calls, void *, size_t);
    size_t (*nbytes)(const device_tensor *), (*row_size)(int, int64_t);
    bool (*is_quantized)(int);
} stand_in;

/* Its calls carry no context of ours: one object for the program. */
static stand_in stand;

static const char *stand_type_name(device_type *t) { return t->owner ? t->owner->context : "host"; }
static const char *stand_name(device *d) { return d->context; }
static void *stand_base(device_buffer *b) { return b->context; }
static int stand_init(device_buffer *b, void *tensor) { return (void)b, (void)tensor, 0; }
static void stand_fill(device_buffer *b, void *t, uint8_t v, size_t at, size_t n) {
    (void)b, (void)t, (void)v, (void)at, (void)n;
}
static void stand_set(device_buffer *b, void *t, const void *data, size_t at, size_t n) {
    (void)b, (void)t, (void)data, (void)at, (void)n;
}
static void stand_get(device_buffer *b, const void *t, void *data, size_t at, size_t n) {
    (void)b, (void)t, (void)at;
    memset(data, 0, n);
}
static bool stand_copy(device_buffer *b, const void *from, void *to) { return (void)b, (void)from, (void)to, true; }
static void stand_clear(device_buffer *b, uint8_t v) { (void)b, (void)v; }

static void stand_release(device_buffer *b) {
    for (size_t i = 0; i < BUFFERS; i++)
        if (stand.buffers[i] == b) stand.buffers[i] = NULL;
    free(b->context);
}

/* Never touched, so address space alone for what is large. */
static device_buffer *stand_alloc(device_type *t, size_t size) {
    static const device_buffer_calls calls = {.free = stand_release,
                                              .base = stand_base,
                                              .init = stand_init,
                                              .fill = stand_fill,
                                              .set = stand_set,
                                              .get = stand_get,
                                              .copy = stand_copy,
                                              .clear = stand_clear};
    void *memory = NULL;
    if (posix_memalign(&memory, 128, size ? size : 1) != 0) return NULL;
    device_buffer *b = stand.buffer_init(t, calls, memory, size);
    size_t i = 0;
    while (i < BUFFERS && stand.buffers[i]) i++;
    if (i == BUFFERS) llama_fail("more buffers than the stand-in counts");
    stand.buffers[i] = b;
    return b;
}

static size_t stand_align(device_type *t) { return t->owner && stand.cuda ? 128 : HOST_ALIGN; }
static size_t stand_max(device_type *t) { return (void)t, SIZE_MAX; }
static bool stand_is_host(device_type *t) { return !t->owner; }

static size_t stand_bytes(device_type *t, const device_tensor *x) {
    size_t bytes = stand.nbytes(x), past = (size_t)x->ne[0] % 512;
    if (t->owner && stand.cuda && stand.is_quantized(x->type) && past)
        bytes += stand.row_size(x->type, (int64_t)(512 - past));
    return bytes;
}

static void stand_memory(device *d, size_t *free_bytes, size_t *total) {
    (void)d;
    *free_bytes = *total = (size_t)24 << 30;
}
static int stand_type(device *d) { return (void)d, GPU; }
static void stand_props(device *d, device_props *p) {
    *p = (device_props){.name = d->context, .description = "stand-in", .type = GPU};
    stand_memory(d, &p->free, &p->total);
    p->caps = (device_caps){.async = true, .host_buffer = true, .events = true, .mmap = true};
}
static device_type *stand_buffers(device *d) { return &stand.types[d - stand.devices]; }
static device_type *stand_host_buffers(device *d) { return (void)d, &stand.host_type; }
static bool stand_takes_op(device *d, const device_tensor *t) { return (void)d, (void)t, true; }
static bool stand_takes_buffer(device *d, device_type *t) { return t->owner == d && t->name == stand_type_name; }

/* ggml-cuda.cu get_op_batch_size. */
static bool stand_leaves_weights(device *d, const device_tensor *t) {
    (void)d;
    if (!stand.cuda || t->op == stand.op_get_rows) return false;
    if (t->op == stand.op_mul_mat) return t->ne[1] >= 32;
    if (t->op == stand.op_mul_mat_id || t->op == stand.op_rope) return t->ne[2] >= 32;
    return t->ne[1] * t->ne[2] * t->ne[3] >= 32;
}

static void *stand_event_new(device *d) {
    void **event = calloc(2, sizeof *event);
    if (event) event[0] = d;
    return event;
}
static void stand_event_free(device *d, void *event) { (void)d, free(event); }
static void stand_event_wait(device *d, void *event) { (void)d, (void)event; }

static const char *stand_stream_name(device_stream *s) { return s->owner->context; }
static void stand_stream_free(device_stream *s) { free(s); }
static void stand_stream_wait(device_stream *s) { (void)s; }
static int stand_compute(device_stream *s, void *graph) { return (void)s, (void)graph, 0; }
static void stand_stream_event(device_stream *s, void *event) { (void)s, (void)event; }

static device_stream *stand_start(device *d, const char *params) {
    static const char guid[16] = "bitbudget-stand";
    device_stream *s = calloc(1, sizeof *s);
    (void)params;
    if (!s) return NULL;
    *s = (device_stream){.guid = guid,
                         .name = stand_stream_name,
                         .free = stand_stream_free,
                         .wait = stand_stream_wait,
                         .compute = stand_compute,
                         .event_record = stand_stream_event,
                         .event_wait = stand_stream_event,
                         .owner = d};
    return s;
}

static const char *stand_registry_name(device_registry *r) { return (void)r, "stand-in"; }
static size_t stand_count(device_registry *r) { return (void)r, (size_t)DEVICES; }
static device *stand_at(device_registry *r, size_t i) { return (void)r, &stand.devices[i]; }
static void *stand_function(device_registry *r, const char *name) { return (void)r, (void)name, NULL; }

static int stand_op(const llama *l, const char *wanted) {
    const char *(*name)(int);
    llama_symbol(l, "ggml_op_name", &name);
    for (int op = 0; op < 90; op++)
        if (strcmp(name(op), wanted) == 0) return op;
    llama_fail(wanted);
    return -1;
}

static void stand_open(const llama *l) {
    llama_symbol(l, "ggml_backend_buffer_init", &stand.buffer_init);
    llama_symbol(l, "ggml_nbytes", &stand.nbytes);
    llama_symbol(l, "ggml_row_size", &stand.row_size);
    llama_symbol(l, "ggml_is_quantized", &stand.is_quantized);
    stand.op_mul_mat = stand_op(l, "MUL_MAT");
    stand.op_mul_mat_id = stand_op(l, "MUL_MAT_ID");
    stand.op_rope = stand_op(l, "ROPE");
    stand.op_get_rows = stand_op(l, "GET_ROWS");
    stand.registry = (device_registry){DEVICE_API, stand_registry_name, stand_count, stand_at, stand_function, NULL};
    for (size_t i = 0; i <= DEVICES; i++) {
        device_type *t = i < DEVICES ? &stand.types[i] : &stand.host_type;
        *t = (device_type){.name = stand_type_name,
                           .alloc = stand_alloc,
                           .align = stand_align,
                           .max = stand_max,
                           .bytes = stand_bytes,
                           .is_host = stand_is_host,
                           .owner = i < DEVICES ? &stand.devices[i] : NULL};
        if (i == DEVICES) break;
        (void)snprintf(stand.names[i], sizeof stand.names[i], "STAND%zu", i);
        stand.devices[i] = (device){.name = stand_name,
                                    .description = stand_name,
                                    .memory = stand_memory,
                                    .type = stand_type,
                                    .props = stand_props,
                                    .start = stand_start,
                                    .buffers = stand_buffers,
                                    .host_buffers = stand_host_buffers,
                                    .takes_op = stand_takes_op,
                                    .takes_buffer = stand_takes_buffer,
                                    .leaves_weights = stand_leaves_weights,
                                    .event_new = stand_event_new,
                                    .event_free = stand_event_free,
                                    .event_wait = stand_event_wait,
                                    .registry = &stand.registry,
                                    .context = stand.names[i]};
    }
}

/* Bytes of the compute buffers that live on a device now; of the host's for DEVICES. */
static uint64_t stand_computes(size_t which) {
    const device_type *t = which < DEVICES ? &stand.types[which] : &stand.host_type;
    uint64_t bytes = 0;
    for (size_t i = 0; i < BUFFERS; i++)
        if (stand.buffers[i] && stand.buffers[i]->type == t && stand.buffers[i]->usage == USAGE_COMPUTE)
            bytes += stand.buffers[i]->size;
    return bytes;
}
#endif
