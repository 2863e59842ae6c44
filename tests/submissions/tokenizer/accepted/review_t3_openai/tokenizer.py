# verdict: pass
# style: of a review, t3 openai
"""After OpenAI's encoder.py: bytes become printable characters, words are str."""
import regex as re
from functools import lru_cache


class UnknownToken(ValueError):
    pass


@lru_cache()
def bytes_to_unicode():
    bs = list(range(ord("!"), ord("~")+1))+list(range(ord("¡"), ord("¬")+1))+list(range(ord("®"), ord("ÿ")+1))
    cs = bs[:]
    n = 0
    for b in range(2**8):
        if b not in bs:
            bs.append(b)
            cs.append(2**8+n)
            n += 1
    return dict(zip(bs, [chr(n) for n in cs]))


def get_pairs(word):
    return set(zip(word, word[1:]))


pat = re.compile(r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""")
be = bytes_to_unicode()
bd = {v: k for k, v in be.items()}


def apply(word, bigram):
    first, second = bigram
    new_word = []
    i = 0
    while i < len(word):
        try:
            j = word.index(first, i)
            new_word.extend(word[i:j])
            i = j
        except ValueError:
            new_word.extend(word[i:])
            break
        if word[i] == first and i < len(word)-1 and word[i+1] == second:
            new_word.append(first+second)
            i += 2
        else:
            new_word.append(word[i])
            i += 1
    return tuple(new_word)


def raw(s):
    return bytes(bd[c] for c in s)


def train_bpe(text, vocab_size):
    if vocab_size < 256:
        raise ValueError("vocab_size < 256")
    corpus = {}
    for token in re.findall(pat, text):
        w = tuple(be[b] for b in token.encode("utf-8"))
        corpus[w] = corpus.get(w, 0) + 1
    merges = []
    for _ in range(vocab_size - 256):
        stats = {}
        for w, c in corpus.items():
            for p in zip(w, w[1:]):
                stats[p] = stats.get(p, 0) + c
        if len(stats) == 0:
            return merges
        best = max(stats.items(), key=lambda kv: (kv[1], raw(kv[0][0]), raw(kv[0][1])))[0]
        corpus2 = {}
        for w, c in corpus.items():
            w = apply(w, best)
            corpus2[w] = corpus2.get(w, 0) + c
        corpus = corpus2
        merges.append((raw(best[0]), raw(best[1])))
    return merges


class BPETokenizer:
    def __init__(self, merges, special_tokens=()):
        s = lambda bs: "".join(be[b] for b in bs)
        merges = [(s(a), s(b)) for a, b in merges]
        vocab = list(be.values()) + [a + b for a, b in merges]
        self.encoder = dict(zip(vocab, range(len(vocab))))
        self.decoder = {v: k for k, v in self.encoder.items()}
        self.bpe_ranks = dict(zip(merges, range(len(merges))))
        self.specials = list(special_tokens)
        self.n = len(vocab)
        self.cache = {}

    @property
    def vocab_size(self):
        return self.n + len(self.specials)

    def bpe(self, token):
        if token in self.cache:
            return self.cache[token]
        word = tuple(token)
        pairs = get_pairs(word)
        while pairs:
            bigram = min(pairs, key=lambda pair: self.bpe_ranks.get(pair, float('inf')))
            if bigram not in self.bpe_ranks:
                break
            word = apply(word, bigram)
            if len(word) == 1:
                break
            pairs = get_pairs(word)
        self.cache[token] = word
        return word

    def encode_ordinary(self, text):
        bpe_tokens = []
        for token in re.findall(pat, text):
            token = ''.join(be[b] for b in token.encode('utf-8'))
            bpe_tokens.extend(self.encoder[t] for t in self.bpe(token))
        return bpe_tokens

    def encode(self, text, *, allow_special=False):
        if not allow_special:
            return self.encode_ordinary(text)
        ids, start, i = [], 0, 0
        while i < len(text):
            found = [s for s in self.specials if text.startswith(s, i)]
            if found:
                s = max(found, key=len)
                ids += self.encode_ordinary(text[start:i]) + [self.n + self.specials.index(s)]
                i = start = i + len(s)
            else:
                i += 1
        return ids + self.encode_ordinary(text[start:])

    def decode(self, tokens):
        out = bytearray()
        for t in tokens:
            if t in self.decoder:
                out += bytearray([bd[c] for c in self.decoder[t]])
            elif self.n <= t < self.vocab_size:
                out += self.specials[t - self.n].encode('utf-8')
            else:
                raise UnknownToken(f"token {t} is not in the vocabulary of {self.vocab_size}")
        return out.decode('utf-8', errors="replace")
