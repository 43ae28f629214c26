"""A GGUF file with a vocabulary and no tensors, for tools/make_model --vocabulary: every token is text.

  bench/peers/word_vocabulary.py OUT --tokens N --pre qwen2|llama-bpe

Byte-level BPE: the 256 bytes, all pairs of letters, and as many words of four letters, each two pairs, as are wanted; then the
control tokens of ChatML.
"""
import argparse
import itertools
import string
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools/make_model"))

import gguf  # noqa: E402
import vocabularies  # noqa: E402

STRIDE = 7919  # A prime that the number of words does not share: words of all beginnings are among the first.


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--tokens", type=int, required=True)
    parser.add_argument("--pre", choices=["qwen2", "llama-bpe"], required=True)
    given = parser.parse_args()
    tokens = vocabularies.byte_characters()
    pairs = ["".join(pair) for pair in itertools.product(string.ascii_lowercase, repeat=2)]
    words = given.tokens - len(tokens) - len(pairs) - len(vocabularies.CONTROL)
    if not 0 <= words <= len(pairs) ** 2:
        sys.exit(f"--tokens: this vocabulary has {given.tokens - words} to {given.tokens - words + len(pairs) ** 2}")
    merges = [f"{pair[0]} {pair[1]}" for pair in pairs]
    tokens += pairs
    for i in range(words):
        left, right = divmod(i * STRIDE % len(pairs) ** 2, len(pairs))
        merges.append(f"{pairs[left]} {pairs[right]}")
        tokens.append(pairs[left] + pairs[right])
    kinds = [vocabularies.NORMAL] * len(tokens) + [vocabularies.CONTROL_KIND] * len(vocabularies.CONTROL)
    tokens += vocabularies.CONTROL
    gguf.write_part(given.out, [
        ("tokenizer.ggml.model", "str", "gpt2"), ("tokenizer.ggml.pre", "str", given.pre), ("tokenizer.ggml.tokens", "[str]", tokens),
        ("tokenizer.ggml.token_type", "[i32]", kinds), ("tokenizer.ggml.merges", "[str]", merges),
        ("tokenizer.ggml.bos_token_id", "u32", tokens.index("<|endoftext|>")),
        ("tokenizer.ggml.eos_token_id", "u32", tokens.index("<|im_end|>")),
        ("tokenizer.ggml.padding_token_id", "u32", tokens.index("<|endoftext|>")),
        ("tokenizer.ggml.add_bos_token", "bool", False), ("tokenizer.chat_template", "str", vocabularies.CHATML)], [])


main()
