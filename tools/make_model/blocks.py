"""Weights in the formats of docs/weight_types.md: encoders that round to the nearest, and the decoders by the same formulas.

Every function takes or gives a float32 array [blocks, weights of a block] and bytes as uint8 [blocks, bytes of a block].
"""

import numpy as np

# name: (GGUF's number, weights of a block, bytes of a block, general.file_type)
TYPES = {
    "f32": (0, 1, 4, 0), "f16": (1, 1, 2, 1), "bf16": (30, 1, 2, 32), "q8_0": (8, 32, 34, 7), "q4_0": (2, 32, 18, 2),
    "q4_1": (3, 32, 20, 3), "q5_0": (6, 32, 22, 8), "q5_1": (7, 32, 24, 9), "q4_k": (12, 256, 144, 15),
    "q5_k": (13, 256, 176, 17), "q6_k": (14, 256, 210, 18),
}
# What stands in where a row is no whole number of blocks of 256.
FALLBACK = {"q4_k": "q5_0", "q5_k": "q5_1", "q6_k": "q8_0"}


def fitting(kind, columns):
    """The type itself, or one whose blocks divide the row."""
    while columns % TYPES[kind][1]:
        kind = FALLBACK.get(kind, "f16")
    return kind


def inverse(d):
    return np.where(d != 0, np.float32(1) / np.where(d != 0, d, np.float32(1)), np.float32(0)).astype(np.float32)


def half(d):
    return d.astype("<f2").reshape(-1, 1).view(np.uint8)


def from_half(raw):
    return np.ascontiguousarray(raw).view("<f2").astype(np.float32)


def pack_nibbles(q):
    return q[:, :16] | (q[:, 16:] << 4)


def unpack_nibbles(raw):
    return np.concatenate([raw & 15, raw >> 4], axis=1).astype(np.int32)


def pack_fifth_bits(q):
    return np.packbits((q >> 4).astype(bool), axis=1, bitorder="little")


def unpack_fifth_bits(raw):
    return np.unpackbits(raw, axis=1, bitorder="little").astype(np.int32) << 4


def signed_extreme(x):
    """Of each block, the number of the largest magnitude with its sign."""
    return x[np.arange(len(x)), np.abs(x).argmax(axis=1)][:, None]


def encode_q8_0(x):
    d = np.abs(x).max(axis=1, keepdims=True) / np.float32(127)
    q = np.rint(x * inverse(d)).astype(np.int8)
    return np.concatenate([half(d), q.view(np.uint8)], axis=1)


def decode_q8_0(raw):
    return from_half(raw[:, :2]) * np.ascontiguousarray(raw[:, 2:]).view(np.int8)


def encode_symmetric(x, levels):
    """q4_0 and q5_0: zero stands in the middle, the extreme is the lowest level."""
    d = signed_extreme(x) / np.float32(-(levels // 2))
    return d, np.minimum(levels - 1, (x * inverse(d) + np.float32(levels // 2 + 0.5)).astype(np.int32)).astype(np.uint8)


def encode_offset(x, levels):
    """q4_1 and q5_1: from the least number in equal steps."""
    low = x.min(axis=1, keepdims=True)
    d = (x.max(axis=1, keepdims=True) - low) / np.float32(levels - 1)
    q = np.minimum(levels - 1, ((x - low) * inverse(d) + np.float32(0.5)).astype(np.int32)).astype(np.uint8)
    return d, low, q


def encode_q4_0(x):
    d, q = encode_symmetric(x, 16)
    return np.concatenate([half(d), pack_nibbles(q)], axis=1)


def decode_q4_0(raw):
    return from_half(raw[:, :2]) * (unpack_nibbles(raw[:, 2:]) - 8).astype(np.float32)


def encode_q4_1(x):
    d, low, q = encode_offset(x, 16)
    return np.concatenate([half(d), half(low), pack_nibbles(q)], axis=1)


def decode_q4_1(raw):
    return from_half(raw[:, :2]) * unpack_nibbles(raw[:, 4:]).astype(np.float32) + from_half(raw[:, 2:4])


def encode_q5_0(x):
    d, q = encode_symmetric(x, 32)
    return np.concatenate([half(d), pack_fifth_bits(q), pack_nibbles(q & 15)], axis=1)


def decode_q5_0(raw):
    q = unpack_nibbles(raw[:, 6:]) | unpack_fifth_bits(raw[:, 2:6])
    return from_half(raw[:, :2]) * (q - 16).astype(np.float32)


def encode_q5_1(x):
    d, low, q = encode_offset(x, 32)
    return np.concatenate([half(d), half(low), pack_fifth_bits(q), pack_nibbles(q & 15)], axis=1)


def decode_q5_1(raw):
    q = unpack_nibbles(raw[:, 8:]) | unpack_fifth_bits(raw[:, 4:8])
    return from_half(raw[:, :2]) * q.astype(np.float32) + from_half(raw[:, 2:4])


def pack_scales(scales, mins):
    """Eight pairs of six bits in twelve bytes: the low four pairs as they are, with the upper bits of the high four above."""
    out = np.zeros((len(scales), 12), np.uint8)
    out[:, 0:4] = scales[:, :4] | ((scales[:, 4:] >> 4) << 6)
    out[:, 4:8] = mins[:, :4] | ((mins[:, 4:] >> 4) << 6)
    out[:, 8:12] = (scales[:, 4:] & 15) | ((mins[:, 4:] & 15) << 4)
    return out


def unpack_scales(raw):
    low_s, low_m, high = raw[:, 0:4], raw[:, 4:8], raw[:, 8:12]
    scales = np.concatenate([low_s & 63, (high & 15) | ((low_s >> 6) << 4)], axis=1)
    mins = np.concatenate([low_m & 63, (high >> 4) | ((low_m >> 6) << 4)], axis=1)
    return scales, mins


def encode_k(x, levels):
    """q4_k and q5_k: eight groups of 32, each with a scale and a minimum of six bits under two halves of the block."""
    groups = x.reshape(-1, 8, 32)
    low = np.minimum(groups.min(axis=2), 0)
    step = (groups.max(axis=2) - low) / np.float32(levels - 1)
    d = (step.max(axis=1, keepdims=True) / np.float32(63)).astype(np.float16).astype(np.float32)
    m = ((-low).max(axis=1, keepdims=True) / np.float32(63)).astype(np.float16).astype(np.float32)
    scales = np.clip(np.rint(step * inverse(d)), 0, 63).astype(np.uint8)
    mins = np.clip(np.rint(-low * inverse(m)), 0, 63).astype(np.uint8)
    q = np.rint((groups + (m * mins)[:, :, None]) * inverse(d * scales)[:, :, None])
    return d, m, pack_scales(scales, mins), np.clip(q, 0, levels - 1).astype(np.uint8)


def decode_k(raw, q):
    scales, mins = unpack_scales(raw[:, 4:16])
    d, m = from_half(raw[:, 0:2]), from_half(raw[:, 2:4])
    return ((d * scales)[:, :, None] * q.astype(np.float32) - (m * mins)[:, :, None]).reshape(-1, 256)


def pack_k_nibbles(q):
    """Groups 2i and 2i+1 share 32 bytes: low and high nibbles."""
    return (q[:, 0::2] | (q[:, 1::2] << 4)).reshape(-1, 128)


def unpack_k_nibbles(raw):
    pairs = raw.reshape(-1, 4, 32)
    return np.stack([pairs & 15, pairs >> 4], axis=2).reshape(-1, 8, 32)


def encode_q4_k(x):
    d, m, scales, q = encode_k(x, 16)
    return np.concatenate([half(d), half(m), scales, pack_k_nibbles(q)], axis=1)


def decode_q4_k(raw):
    return decode_k(raw, unpack_k_nibbles(raw[:, 16:]))


def encode_q5_k(x):
    d, m, scales, q = encode_k(x, 32)
    fifth = np.zeros((len(q), 32), np.uint8)
    for group in range(8):
        fifth |= (q[:, group] >> 4) << group
    return np.concatenate([half(d), half(m), scales, fifth, pack_k_nibbles(q & 15)], axis=1)


def decode_q5_k(raw):
    fifth = np.stack([(raw[:, 16:48] >> group) & 1 for group in range(8)], axis=1)
    return decode_k(raw, unpack_k_nibbles(raw[:, 48:]) | (fifth << 4))


def encode_q6_k(x):
    """Sixteen groups of 16, each with a signed scale of eight bits under the block's half."""
    groups = x.reshape(-1, 16, 16)
    extreme = np.take_along_axis(groups, np.abs(groups).argmax(axis=2)[:, :, None], axis=2)[:, :, 0]
    step = extreme / np.float32(-32)
    d = (np.abs(step).max(axis=1, keepdims=True) / np.float32(127)).astype(np.float16).astype(np.float32)
    scales = np.clip(np.rint(step * inverse(d)), -128, 127).astype(np.int8)
    q = np.clip(np.rint(groups * inverse(d * scales)[:, :, None]), -32, 31).astype(np.int32) + 32
    part = q.astype(np.uint8).reshape(-1, 2, 4, 32)  # [block, half, quarter, weight]
    low = np.concatenate([(part[:, :, 0] & 15) | ((part[:, :, 2] & 15) << 4),
                          (part[:, :, 1] & 15) | ((part[:, :, 3] & 15) << 4)], axis=2)
    high = sum((part[:, :, i] >> 4) << (2 * i) for i in range(4)).astype(np.uint8)
    return np.concatenate([low.reshape(-1, 128), high.reshape(-1, 64), scales.view(np.uint8), half(d)], axis=1)


def decode_q6_k(raw):
    low, high = raw[:, :128].reshape(-1, 2, 2, 32), raw[:, 128:192].reshape(-1, 2, 32)
    nibbles = [low[:, :, 0] & 15, low[:, :, 1] & 15, low[:, :, 0] >> 4, low[:, :, 1] >> 4]
    q = np.stack([nibbles[i] | (((high >> (2 * i)) & 3) << 4) for i in range(4)], axis=2).reshape(-1, 16, 16)
    scales = np.ascontiguousarray(raw[:, 192:208]).view(np.int8).astype(np.float32)
    d = from_half(raw[:, 208:210])
    return ((d * scales)[:, :, None] * (q.astype(np.float32) - 32)).reshape(-1, 256)


def encode_bf16(x):
    """To the nearest, ties to even."""
    bits = np.ascontiguousarray(x, "<f4").view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")


def encode(x, kind):
    """The bytes of float32 rows whose length the type's block divides."""
    x = np.ascontiguousarray(x, np.float32)
    if kind == "f32":
        return x.astype("<f4").tobytes()
    if kind == "f16":
        return x.astype("<f2").tobytes()
    if kind == "bf16":
        return encode_bf16(x).tobytes()
    return globals()["encode_" + kind](x.reshape(-1, TYPES[kind][1])).tobytes()


def decode(raw, kind):
    """The float32 numbers of such bytes, flat."""
    if kind in ("f32", "f16"):
        return np.frombuffer(raw, "<" + ("f4" if kind == "f32" else "f2")).astype(np.float32)
    if kind == "bf16":
        return (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
    return globals()["decode_" + kind](np.frombuffer(raw, np.uint8).reshape(-1, TYPES[kind][2])).reshape(-1)
