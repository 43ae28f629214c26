"""Toy vocabularies: byte-level BPE trained on a paragraph, and WordPiece over the same words."""

import collections

TEXT = """The river was high that spring, and the people of the lower town carried what they could to the church on the hill.
They waited there for three days while the water came up the street, over the steps, and into the rooms where they had slept.
On the fourth day the rain stopped. The children were the first to go down; they found fish in the garden and a boat in a tree."""
CHATML = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
          "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
BERT_CONTROL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
MERGES = 256
NORMAL, CONTROL_KIND, UNUSED = 1, 3, 5


def byte_characters():
    """GPT-2's printable character for each byte: itself where it is one, else the next from U+0100 on."""
    printable = set(range(0x21, 0x7F)) | set(range(0xA1, 0xAD)) | set(range(0xAE, 0x100))
    spare = iter(range(0x100, 0x200))
    return [chr(b) if b in printable else chr(next(spare)) for b in range(256)]


def train_merges(count):
    """The most frequent pairs, one after the other; of equals the first in order."""
    characters = byte_characters()
    words = collections.Counter()
    for i, word in enumerate(TEXT.split()):
        words[tuple(characters[b] for b in ((" " if i else "") + word).encode())] += 1
    merges = []
    while len(merges) < count:
        pairs = collections.Counter()
        for word, times in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += times
        if not pairs:
            break
        best = max(sorted(pairs), key=pairs.get)
        merges.append(best)
        merged = collections.Counter()
        for word, times in words.items():
            out = []
            for piece in word:
                if out and (out[-1], piece) == best:
                    out[-1] = out[-1] + piece
                else:
                    out.append(piece)
            merged[tuple(out)] += times
        words = merged
    return merges


def byte_level(vocabulary):
    """(tokens, kinds, merges), filled up with unused tokens to the size asked for."""
    # A pair that makes a token which is there already would give it two ids.
    merges, tokens = [], byte_characters()
    for left, right in train_merges(min(MERGES, vocabulary - 256 - len(CONTROL))):
        if left + right not in tokens:
            merges.append((left, right))
            tokens.append(left + right)
    kinds = [NORMAL] * len(tokens) + [CONTROL_KIND] * len(CONTROL)
    return fill(tokens + CONTROL, kinds, vocabulary) + (merges,)


def word_piece(vocabulary):
    """(tokens, kinds) with ## before continuations."""
    letters = [chr(c) for c in range(0x21, 0x7F) if not chr(c).isupper()]
    words = sorted({"".join(c for c in word.lower() if c.isalpha()) for word in TEXT.split()})
    tokens = list(BERT_CONTROL)
    for token in letters + ["##" + c for c in letters if c.isalnum()] + words + ["##ing", "##ed", "##er", "##s"]:
        if token and token not in tokens:
            tokens.append(token)
    return fill(tokens, [CONTROL_KIND] * len(BERT_CONTROL) + [NORMAL] * (len(tokens) - len(BERT_CONTROL)), vocabulary)


def fill(tokens, kinds, vocabulary):
    if len(tokens) > vocabulary:
        raise SystemExit(f"the toy vocabulary has {len(tokens)} tokens, the shape only {vocabulary}")
    spare = range(len(tokens), vocabulary)
    return tokens + [f"[unused{i}]" for i in spare], kinds + [UNUSED] * len(spare)
