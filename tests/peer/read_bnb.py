#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""read_bnb.py - reads a quantized checkpoint as its formats are described, and compares it with the original.

    read_bnb.py ORIGINAL QUANTIZED [LIMIT]

Both are folders of safetensors files. Written from the descriptions of safetensors, bitsandbytes and
compressed-tensors, with the standard library alone; shares nothing with the program that it checks. Prints one line a
matrix kind: its relative error over all matrices. Exit status 1 when something is not as described, a tensor is
missing, or an error is above LIMIT.
"""
import array
import json
import math
import os
import struct
import sys

SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I8": 1, "U8": 1, "BOOL": 1}
NF4 = [-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
       -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
       0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0]
FP4 = [x / 12 for x in (0, 0.0625, 8, 12, 4, 6, 2, 3)]
FP4 += [-x for x in FP4]


class Wrong(Exception):
    pass


def need(condition, text):
    if not condition:
        raise Wrong(text)


class Checkpoint:
    """Every tensor of a folder: name -> (file, dtype, shape, offset, bytes)."""

    def __init__(self, folder):
        index = os.path.join(folder, "model.safetensors.index.json")
        names = ["model.safetensors"]
        listed = None
        if os.path.exists(index):
            with open(index, encoding="utf-8") as f:
                data = json.load(f)
            listed = data["weight_map"]
            names = sorted(set(listed.values()))
        self.tensors = {}
        total = 0
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as f:
                length = struct.unpack("<Q", f.read(8))[0]
                header = json.loads(f.read(length).decode("utf-8"))
            need(header.pop("__metadata__", {}).get("format") == "pt", f"{path}: no format pt")
            end = 0
            for key, t in sorted(header.items(), key=lambda kv: kv[1]["data_offsets"]):
                first, last = t["data_offsets"]
                count = math.prod(t["shape"])
                need(first == end, f"{path}: a gap before {key}")
                need(last - first == count * SIZES[t["dtype"]], f"{path}: {key} has the wrong size")
                need(key not in self.tensors, f"{key} stands twice")
                need((8 + length + first) % SIZES[t["dtype"]] == 0, f"{path}: {key} is not aligned")
                need(listed is None or listed.get(key) == name, f"{key} is not in the index for {name}")
                self.tensors[key] = (path, t["dtype"], t["shape"], 8 + length + first, last - first)
                end = last
            need(os.path.getsize(path) == 8 + length + end, f"{path}: bytes behind the data")
            total += end
        if listed is not None:
            need(set(listed) == set(self.tensors), "the index lists other tensors")
            need(data["metadata"]["total_size"] == total, "the index has another total_size")

    def raw(self, name):
        path, _, _, offset, size = self.tensors[name]
        with open(path, "rb") as f:
            f.seek(offset)
            return f.read(size)

    def values(self, name, kind=None):
        dtype = self.tensors[name][1]
        need(kind is None or dtype == kind, f"{name} is {dtype}, not {kind}")
        data = self.raw(name)
        if dtype == "F16":
            return [x for (x,) in struct.iter_unpack("<e", data)]
        if dtype == "BF16":
            words = array.array("H", data)
            return array.array("f", array.array("I", [w << 16 for w in words]).tobytes())
        return array.array({"F32": "f", "F64": "d", "I8": "b", "U8": "B", "I32": "i", "I64": "q"}[dtype], data)

    def shape(self, name):
        return self.tensors[name][2]


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def read_4bit(q, name, config, taken):
    kind = config["bnb_4bit_quant_type"]
    state_name = f"{name}.quant_state.bitsandbytes__{kind}"
    state = json.loads(bytes(q.values(state_name, "U8")).decode("utf-8"))
    need(state["quant_type"] == kind, f"{name}: quant_type is {state['quant_type']}")
    shape, block = state["shape"], state["blocksize"]
    count = math.prod(shape)
    need(q.shape(name) == [(count + 1) // 2, 1], f"{name}: packed shape {q.shape(name)}")
    need(state["dtype"] in ("float32", "float16", "bfloat16"), f"{name}: dtype {state['dtype']}")
    table = list(q.values(name + ".quant_map", "F32"))
    need(table == [f32(x) for x in (NF4 if kind == "nf4" else FP4)], f"{name}: another quant_map")
    blocks = (count + block - 1) // block
    need(q.shape(name + ".absmax") == [blocks], f"{name}: absmax of shape {q.shape(name + '.absmax')}")
    taken |= {state_name, name + ".quant_map", name + ".absmax"}
    if config["bnb_4bit_use_double_quant"]:
        nested_map = q.values(name + ".nested_quant_map", "F32")
        nested = q.values(name + ".nested_absmax", "F32")
        need(len(nested_map) == 256 and list(nested_map) == sorted(nested_map), f"{name}: nested_quant_map")
        need(nested_map[255] == 1 and 0.0 in nested_map, f"{name}: ends of nested_quant_map")
        size = state["nested_blocksize"]
        need(state["nested_dtype"] == "float32" and len(nested) == (blocks + size - 1) // size, f"{name}: nested")
        codes = q.values(name + ".absmax", "U8")
        absmax = [nested_map[c] * nested[i // size] + state["nested_offset"] for i, c in enumerate(codes)]
        taken |= {name + ".nested_quant_map", name + ".nested_absmax"}
    else:
        need("nested_offset" not in state, f"{name}: nested without double quantization")
        absmax = q.values(name + ".absmax", "F32")
    packed = q.values(name, "U8")
    out = []
    for i in range(blocks):
        a = absmax[i]
        scaled = [a * v for v in table]
        for byte in packed[i * block // 2:(min((i + 1) * block, count) + 1) // 2]:
            out.append(scaled[byte >> 4])
            out.append(scaled[byte & 15])
    del out[count:]
    return shape, out


def read_llm_int8(q, name, taken):
    module = name[:-len(".weight")]
    shape = q.shape(name)
    codes, scb = q.values(name, "I8"), q.values(module + ".SCB", "F32")
    need(q.shape(module + ".SCB") == shape[:1], f"{name}: SCB")
    need(q.shape(module + ".weight_format") == [] and q.raw(module + ".weight_format") == b"\0", f"{name}: format")
    taken |= {module + ".SCB", module + ".weight_format"}
    return shape, [codes[r * shape[1] + c] * (scb[r] / 127) for r in range(shape[0]) for c in range(shape[1])]


def read_int8(q, name, weights, taken):
    module = name[:-len(".weight")]
    rows, cols = shape = q.shape(name)
    codes, scale = q.values(name, "I8"), q.values(module + ".weight_scale", "F32")
    strategy = weights["strategy"]
    group = {"tensor": rows * cols, "channel": cols, "group": weights["group_size"]}[strategy]
    need(strategy == "tensor" or cols % group == 0, f"{name}: groups of {group}")
    want = {"tensor": [1], "channel": [rows, 1], "group": [rows, cols // group]}[strategy]
    need(q.shape(module + ".weight_scale") == want, f"{name}: scale of shape {q.shape(module + '.weight_scale')}")
    zero = [0] * len(scale)
    taken.add(module + ".weight_scale")
    if not weights["symmetric"]:
        need(q.shape(module + ".weight_zero_point") == want, f"{name}: zero point")
        zero = q.values(module + ".weight_zero_point", "I8")
        taken.add(module + ".weight_zero_point")
    else:
        need(min(codes) >= -127, f"{name}: -128 in a symmetric matrix")
    return shape, [(c - zero[i // group]) * scale[i // group] for i, c in enumerate(codes)]


def check_config(original, quantized):
    with open(os.path.join(original, "config.json"), encoding="utf-8") as f:
        old = json.load(f)
    with open(os.path.join(quantized, "config.json"), encoding="utf-8") as f:
        new = json.load(f)
    config = new.pop("quantization_config")
    old.pop("quantization_config", None)
    need(old == new, "config.json has other values")
    return config


def main(original, quantized, limit):
    config = check_config(original, quantized)
    o, q = Checkpoint(original), Checkpoint(quantized)
    bnb = config["quant_method"] == "bitsandbytes"
    kept = config["llm_int8_skip_modules"] if bnb else config["ignore"]
    if not bnb:
        need(config["quant_method"] == "compressed-tensors" and config["format"] == "int-quantized", "the method")
        (group,) = config["config_groups"].values()
        weights = group["weights"]
        need(group["targets"] == ["Linear"] and weights["num_bits"] == 8 and weights["type"] == "int", "the group")
    taken = set()
    err2 = ref2 = 0.0
    matrices = 0
    worst = 0.0
    for name in o.tensors:
        need(name in q.tensors, f"{name} is missing")
        taken.add(name)
        if q.tensors[name][1] not in ("U8", "I8"):
            need(q.tensors[name][1:3] == o.tensors[name][1:3] and q.raw(name) == o.raw(name), f"{name} differs")
            module = name[:-len(".weight")]
            need(len(o.shape(name)) != 2 or "embed" in name or module in kept, f"{name} is neither quantized nor kept")
            continue
        if not bnb:
            shape, got = read_int8(q, name, weights, taken)
        elif config["load_in_4bit"]:
            shape, got = read_4bit(q, name, config, taken)
        else:
            shape, got = read_llm_int8(q, name, taken)
        need(shape == o.shape(name), f"{name}: shape {shape}")
        want = o.values(name)
        e = sum((g - w) * (g - w) for g, w in zip(got, want))
        r = sum(w * w for w in want)
        matrices += 1
        err2 += e
        ref2 += r
        worst = max(worst, math.sqrt(e / r) if r else 0.0)
    need(set(q.tensors) == taken, f"left over: {sorted(set(q.tensors) - taken)[:3]}")
    need(matrices > 0, "no quantized matrix")
    rel = math.sqrt(err2 / ref2)
    print(f"{matrices} matrices, relative error {rel:.6f}, worst {worst:.6f}")
    need(worst <= limit, f"an error of {worst:.6f} is above {limit}")


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2], float(sys.argv[3]) if len(sys.argv) > 3 else math.inf)
    except Wrong as wrong:
        print(f"read_bnb: {wrong}", file=sys.stderr)
        sys.exit(1)
