#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files whose headers are large, for tests of speed and memory: make_large.py KIND PATH, KIND one of
  keys      a GGUF with 200000 metadata keys and no tensor
  deepseek  a sparse GGUF of 671 billion parameters (the shapes of DeepSeek-V3, F16 and Q8_0), vocabulary included
  split     the same in 4 parts: PATH-00001-of-00004.gguf and so on
  index     an index of 93696 names in 163 shards, which are absent
  pickles   the same, whose shards are pickles by their names"""
import json
import struct
import sys

F32, F16, Q8_0 = 0, 1, 8
BLOCK = {F32: (1, 4), F16: (1, 2), Q8_0: (32, 34)}


def text(s):
    b = s.encode()
    return struct.pack("<Q", len(b)) + b


def u16(key, v):
    return text(key) + struct.pack("<IH", 2, v)


def u32(key, v):
    return text(key) + struct.pack("<II", 4, v)


def i32(key, v):
    return text(key) + struct.pack("<Ii", 5, v)


def f32(key, v):
    return text(key) + struct.pack("<If", 6, v)


def string(key, v):
    return text(key) + struct.pack("<I", 8) + text(v)


def strings(key, values):
    return text(key) + struct.pack("<IIQ", 9, 8, len(values)) + b"".join(text(v) for v in values)


def deepseek_tensors():
    """[(name, dims innermost first, type)]; shapes from the model's config.json"""
    d, heads, q_rank, kv_rank, rope, nope, v, ffn, expert, experts = 7168, 128, 1536, 512, 64, 128, 128, 18432, 2048, 256
    yield "token_embd.weight", (d, 129280), F16
    for i in range(61):
        b = "blk.%d." % i
        yield b + "attn_norm.weight", (d,), F32
        yield b + "attn_q_a.weight", (d, q_rank), Q8_0
        yield b + "attn_q_a_norm.weight", (q_rank,), F32
        yield b + "attn_q_b.weight", (q_rank, heads * (nope + rope)), Q8_0
        yield b + "attn_kv_a_mqa.weight", (d, kv_rank + rope), Q8_0
        yield b + "attn_kv_a_norm.weight", (kv_rank,), F32
        yield b + "attn_kv_b.weight", (kv_rank, heads * (nope + v)), Q8_0
        yield b + "attn_output.weight", (heads * v, d), Q8_0
        yield b + "ffn_norm.weight", (d,), F32
        if i < 3:
            yield b + "ffn_gate.weight", (d, ffn), Q8_0
            yield b + "ffn_up.weight", (d, ffn), Q8_0
            yield b + "ffn_down.weight", (ffn, d), Q8_0
            continue
        yield b + "ffn_gate_inp.weight", (d, experts), F32
        yield b + "exp_probs_b.bias", (experts,), F32
        for kind, dims in (("gate", (d, expert)), ("up", (d, expert)), ("down", (expert, d))):
            yield b + "ffn_%s_exps.weight" % kind, dims + (experts,), Q8_0
            yield b + "ffn_%s_shexp.weight" % kind, dims, Q8_0
    yield "output_norm.weight", (d,), F32
    yield "output.weight", (d, 129280), F16


def deepseek_keys():
    a = "deepseek2."
    return [
        string("general.architecture", "deepseek2"), string("general.name", "DeepSeek-V3 shapes"),
        u32(a + "block_count", 61), u32(a + "context_length", 163840), u32(a + "embedding_length", 7168),
        u32(a + "feed_forward_length", 18432), u32(a + "attention.head_count", 128),
        u32(a + "attention.head_count_kv", 128), f32(a + "rope.freq_base", 10000.0),
        f32(a + "attention.layer_norm_rms_epsilon", 1e-6), u32(a + "expert_used_count", 8),
        u32(a + "leading_dense_block_count", 3), u32(a + "vocab_size", 129280), u32(a + "attention.q_lora_rank", 1536),
        u32(a + "attention.kv_lora_rank", 512), u32(a + "attention.key_length", 192),
        u32(a + "attention.value_length", 128), u32(a + "expert_feed_forward_length", 2048),
        u32(a + "expert_count", 256), u32(a + "expert_shared_count", 1), u32(a + "rope.dimension_count", 64),
        string("tokenizer.ggml.model", "gpt2"), strings("tokenizer.ggml.tokens", ["token%d" % i for i in range(129280)]),
    ]


def write_gguf(path, keys, tensors):
    head = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(keys))] + keys
    at = 0
    for name, dims, kind in tensors:
        n, (block, size) = 1, BLOCK[kind]
        for x in dims:
            n *= x
        head.append(text(name) + struct.pack("<I%dQIQ" % len(dims), len(dims), *dims, kind, at))
        at += (n // block * size + 31) // 32 * 32
    head = b"".join(head)
    with open(path, "wb") as f:
        f.write(head)
        f.truncate((len(head) + 31) // 32 * 32 + at)


def main(kind, path):
    if kind == "keys":
        write_gguf(path, [u32("key.%06d.with.some.length" % (i * 7919 % 200000), i) for i in range(200000)], [])
    elif kind == "deepseek":
        write_gguf(path, deepseek_keys(), list(deepseek_tensors()))
    elif kind == "split":
        tensors = list(deepseek_tensors())
        step = (len(tensors) + 3) // 4
        for i in range(4):
            keys = deepseek_keys() if i == 0 else [string("general.architecture", "deepseek2")]
            keys += [u16("split.no", i), u16("split.count", 4), i32("split.tensors.count", len(tensors))]
            write_gguf("%s-%05d-of-00004.gguf" % (path, i + 1), keys, tensors[i * step:(i + 1) * step])
    elif kind in ("index", "pickles"):
        end = "safetensors" if kind == "index" else "bin"
        names = ["model.layers.%d.mlp.experts.%d.%s_proj.%s" % (l, e, p, w) for l in range(61) for e in range(256)
                 for p in ("down", "gate", "up") for w in ("weight", "weight_scale_inv")]
        shards = {n: "model-%05d-of-000163.%s" % (i * 163 // len(names) + 1, end) for i, n in enumerate(names)}
        with open(path, "w", encoding="utf-8") as f:
            json.dump({"metadata": {"total_size": 1369062772000}, "weight_map": shards}, f, indent=2, sort_keys=True)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
