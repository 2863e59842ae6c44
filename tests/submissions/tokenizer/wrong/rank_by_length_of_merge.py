# verdict: fail
# part: Encoding
# cause: ids-otherwise
# style: bytes as printable characters, ranks of pairs of str, a cache, as OpenAI's encoder.py
import regex as re


def bytes_to_unicode():
    bs = list(range(ord("!"), ord("~") + 1)) + list(range(ord("¡"), ord("¬") + 1)) + list(range(ord("®"), ord("ÿ") + 1))
    cs = bs[:]
    n = 0
    for b in range(256):
        if b not in bs:
            bs.append(b)
            cs.append(256 + n)
            n += 1
    return dict(zip(bs, map(chr, cs)))


def get_pairs(word):
    pairs = set()
    prev = word[0]
    for ch in word[1:]:
        pairs.add((prev, ch))
        prev = ch
    return pairs


PAT = re.compile(r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""")


def train_bpe(text, vocab_size):
    if vocab_size < 256:
        raise ValueError("vocab_size must be >= 256")
    vocab = {}
    for tok in re.findall(PAT, text):
        key = tuple(bytes((b,)) for b in tok.encode("utf-8"))
        vocab[key] = vocab.get(key, 0) + 1
    out = []
    while len(out) < vocab_size - 256:
        stats = {}
        for word, freq in vocab.items():
            for a, b in zip(word, word[1:]):
                stats[a, b] = stats.get((a, b), 0) + freq
        if not stats:
            break
        top = max(stats.values())
        pair = max(p for p in stats if stats[p] == top)
        out.append(pair)
        new_vocab = {}
        for word, freq in vocab.items():
            w, i = [], 0
            while i < len(word):
                if i + 1 < len(word) and (word[i], word[i + 1]) == pair:
                    w.append(word[i] + word[i + 1])
                    i += 2
                else:
                    w.append(word[i])
                    i += 1
            new_vocab[tuple(w)] = new_vocab.get(tuple(w), 0) + freq
        vocab = new_vocab
    return out


class BPETokenizer:
    def __init__(self, merges, special_tokens=()):
        self.byte_encoder = bytes_to_unicode()
        self.byte_decoder = {v: k for k, v in self.byte_encoder.items()}
        to_str = lambda bs: "".join(self.byte_encoder[b] for b in bs)
        pairs = [(to_str(a), to_str(b)) for a, b in merges]
        vocab = list(self.byte_encoder.values()) + [a + b for a, b in pairs]
        self.encoder = {tok: i for i, tok in enumerate(vocab)}
        self.decoder = {i: tok for tok, i in self.encoder.items()}
        self.bpe_ranks = dict(zip(pairs, range(len(pairs))))
        self.specials = {tok: len(vocab) + i for i, tok in enumerate(special_tokens)}
        self.special_decoder = {i: tok for tok, i in self.specials.items()}
        self.cache = {}

    @property
    def vocab_size(self):
        return len(self.encoder) + len(self.specials)

    def bpe(self, token):
        if token in self.cache:
            return self.cache[token]
        word = tuple(token)
        if len(word) < 2:
            return word
        pairs = get_pairs(word)
        while True:
            bigram = min(pairs, key=lambda pair: (pair not in self.bpe_ranks, -len(pair[0] + pair[1]), self.bpe_ranks.get(pair, 0)))
            if bigram not in self.bpe_ranks:
                break
            first, second = bigram
            new_word = []
            i = 0
            while i < len(word):
                try:
                    j = word.index(first, i)
                except ValueError:
                    new_word.extend(word[i:])
                    break
                new_word.extend(word[i:j])
                i = j
                if i < len(word) - 1 and word[i + 1] == second:
                    new_word.append(first + second)
                    i += 2
                else:
                    new_word.append(word[i])
                    i += 1
            word = tuple(new_word)
            if len(word) == 1:
                break
            pairs = get_pairs(word)
        self.cache[token] = word
        return word

    def _ordinary(self, text):
        bpe_tokens = []
        for token in re.findall(PAT, text):
            token = "".join(self.byte_encoder[b] for b in token.encode("utf-8"))
            bpe_tokens.extend(self.encoder[t] for t in self.bpe(token))
        return bpe_tokens

    def encode(self, text, *, allow_special=False):
        if not (allow_special and self.specials):
            return self._ordinary(text)
        pattern = "|".join(re.escape(s) for s in sorted(self.specials, key=len, reverse=True))
        out = []
        for part in re.split("(" + pattern + ")", text):
            out += [self.specials[part]] if part in self.specials else self._ordinary(part)
        return out

    def decode(self, ids):
        data = bytearray()
        for i in ids:
            if i in self.special_decoder:
                data.extend(self.special_decoder[i].encode("utf-8"))
            elif i in self.decoder:
                data.extend(self.byte_decoder[c] for c in self.decoder[i])
            else:
                raise ValueError(f"unknown id {i}")
        return data.decode("utf-8", errors="replace")
