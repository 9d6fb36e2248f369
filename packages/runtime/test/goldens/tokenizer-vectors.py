"""Writes tokenizer-vectors.json: what the reference makes of random texts. Needs Python's `tokenizers` (made with 0.23.3).

    python tokenizer-vectors.py > tokenizer-vectors.json
"""

import json
import random

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

random.seed(11)

CHARACTERS = list("aolHex  1.!_$-()") + (
    ["  ", "\n", "\r\n", "\x85", "\ufeff", "\u00a0", "\u3000", "é", "e\u0301", "ΑΣ", "ς", "İ", "½", "٣", "。", "'s", "don't"]
    + ["23", "▁", "🙂", "\u200d", "日", "ﬁ", "ẞ", "oo", "ll", "Ⅷ", "ⓐ"]
)


def text(alphabet, longest):
    return "".join(random.choice(alphabet) for _ in range(random.randint(1, longest)))


def split(pattern, behavior, invert):
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}


BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
PATTERNS = [{"String": "o"}, {"String": "."}, {"Regex": "l+"}, {"Regex": "\\s"}, {"Regex": "o|ol|lo"}, {"Regex": "\\w+"}]
PRE_TOKENIZERS = [split(p, b, i) for p in PATTERNS for b in BEHAVIORS for i in (False, True)]
PRE_TOKENIZERS += [{"type": "Punctuation", "behavior": b} for b in BEHAVIORS]
PRE_TOKENIZERS += [{"type": t} for t in ("Whitespace", "WhitespaceSplit", "BertPreTokenizer")]
PRE_TOKENIZERS += [{"type": "Digits", "individual_digits": i} for i in (False, True)]
PRE_TOKENIZERS += [{"type": "CharDelimiterSplit", "delimiter": d} for d in "o$"]
PRE_TOKENIZERS += [
    {"type": "ByteLevel", "add_prefix_space": p, "trim_offsets": True, "use_regex": r} for p in (False, True) for r in (False, True)
]
PRE_TOKENIZERS += [
    {"type": "Metaspace", "replacement": "▁", "prepend_scheme": p, "split": s}
    for p in ("always", "first", "never")
    for s in (False, True)
]
NORMALIZERS = [{"type": t} for t in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents")]
NORMALIZERS += [{"type": "Strip", "strip_left": a, "strip_right": b} for a in (False, True) for b in (False, True)]
NORMALIZERS += [{"type": "Prepend", "prepend": p} for p in ("▁", "$&")]
NORMALIZERS += [
    {"type": "Replace", "pattern": p, "content": c}
    for p in ({"String": " "}, {"String": "."}, {"Regex": "\\s+"}, {"Regex": "[a-l]"})
    for c in ("▁", "", "$&", "$$")
]


def sequences(kind, name, parts):
    usual = [p for p in parts if p.get("prepend_scheme") != "first"]
    return [{"type": "Sequence", kind: random.sample(usual, random.randint(0, 3))} for _ in range(12)]


PRE_TOKENIZERS += sequences("pretokenizers", "pre_tokenizer", PRE_TOKENIZERS)
NORMALIZERS += sequences("normalizers", "normalizer", NORMALIZERS)


def steps():
    """Each part, and the pieces that it makes of each text."""
    texts = [text(CHARACTERS, 12) for _ in range(20)] + ["🙂 a", "\ufeff a\x85", "x²", "ΑΣ ΟΔΟΣ"]
    empty = json.loads(Tokenizer(models.BPE()).to_str())
    for kind, parts in (("normalizer", NORMALIZERS), ("pre_tokenizer", PRE_TOKENIZERS)):
        for part in parts:
            tokenizer = Tokenizer.from_str(json.dumps({**empty, kind: part}))
            if kind == "normalizer":
                pieces = [[tokenizer.normalizer.normalize_str(t)] for t in texts]
            else:
                pieces = [[piece for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str(t)] for t in texts]
            yield {"kind": kind, "part": part, "pieces": [[p for p in some if p != ""] for some in pieces]}
    yield texts


def trained():
    corpus = [text("abcd  aab▁éab", 30) for _ in range(400)]
    for name, model, trainer, pre in (
        ("BPE", models.BPE(unk_token="<unk>"), trainers.BpeTrainer, None),
        ("BPE", models.BPE(unk_token="<unk>", fuse_unk=True), trainers.BpeTrainer, None),
        ("Unigram", models.Unigram(), trainers.UnigramTrainer, None),
        ("WordPiece", models.WordPiece(unk_token="<unk>"), trainers.WordPieceTrainer, pre_tokenizers.Whitespace()),
        ("WordLevel", models.WordLevel(unk_token="<unk>"), trainers.WordLevelTrainer, pre_tokenizers.Whitespace()),
    ):
        tokenizer = Tokenizer(model)
        if pre:
            tokenizer.pre_tokenizer = pre
        more = {"unk_token": "<unk>"} if name == "Unigram" else {}
        tokenizer.train_from_iterator(corpus, trainer(vocab_size=50, special_tokens=["<unk>"], show_progress=False, **more))
        yield json.loads(tokenizer.to_str())


def tokenizers():
    """Whole tokenizers with added tokens, and the ids that they give each text."""
    texts = [text(["a", "b", "c", " ", "▁", "é", "日", "🙂", "<s>", "[M]", "aa", "\t", "Zb"], 10) for _ in range(24)]
    for base in trained():
        for _ in range(10):
            size = len(base["model"]["vocab"])
            names = random.sample(["<s>", "[M]", "Zb", "[M", "M]", "日"], random.randint(1, 4))
            added = [
                {
                    "id": size + at,
                    "content": name,
                    "single_word": False,
                    "lstrip": random.random() < 0.2,
                    "rstrip": random.random() < 0.2,
                    "normalized": random.random() < 0.4,
                    "special": True,
                }
                for at, name in enumerate(names)
            ]
            whole = {
                **base,
                "added_tokens": base["added_tokens"] + added,
                "normalizer": random.choice([None, {"type": "Lowercase"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]),
                "post_processor": random.choice([None, {"type": "BertProcessing", "sep": [names[0], size], "cls": [names[0], size]}]),
                "decoder": {"type": "Fuse"},
            }
            tokenizer = Tokenizer.from_str(json.dumps(whole))
            yield {"tokenizer": whole, "ids": [tokenizer.encode(t).ids for t in texts]}
    yield texts


*steps_made, step_texts = steps()
*tokenizers_made, tokenizer_texts = tokenizers()
lines = lambda rows: "[\n" + ",\n".join("   " + json.dumps(row, ensure_ascii=True, separators=(",", ":")) for row in rows) + "\n  ]"
print("{")
print(f'  "stepTexts": {json.dumps(step_texts)},')
print(f'  "steps": {lines(steps_made)},')
print(f'  "tokenizerTexts": {json.dumps(tokenizer_texts)},')
print(f'  "tokenizers": {lines(tokenizers_made)}')
print("}")
