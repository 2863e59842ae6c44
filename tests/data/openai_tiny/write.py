"""Writes the checkpoint beside it: a tiny GPT-2 with OpenAI's names, by TensorFlow itself.

TensorFlow is no dependency of the kit. Whoever wants to write it anew installs it elsewhere:

    python3 -m venv /tmp/tf && /tmp/tf/bin/pip install tensorflow-cpu
    /tmp/tf/bin/python tests/data/openai_tiny/write.py

`expected.npz` holds what TensorFlow reads back from the files, by the same names.
`write.py FOLDER 124M` writes one of the size of the smallest GPT-2 instead, full of random numbers.
"""

import json
import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf

TINY = {"n_vocab": 31, "n_ctx": 12, "n_embd": 8, "n_head": 2, "n_layer": 11}
SMALL = {"n_vocab": 50257, "n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_layer": 12}


def shapes(hparams: dict[str, int]) -> dict[str, list[int]]:
    """The variables of OpenAI's model by name."""
    n = hparams["n_embd"]
    found = {"model/wte": [hparams["n_vocab"], n], "model/wpe": [hparams["n_ctx"], n]}
    for layer in range(hparams["n_layer"]):
        h = f"model/h{layer}"
        found |= {f"{h}/ln_1/g": [n], f"{h}/ln_1/b": [n]}
        found |= {f"{h}/attn/c_attn/w": [1, n, 3 * n], f"{h}/attn/c_attn/b": [3 * n]}
        found |= {f"{h}/attn/c_proj/w": [1, n, n], f"{h}/attn/c_proj/b": [n]}
        found |= {f"{h}/ln_2/g": [n], f"{h}/ln_2/b": [n]}
        found |= {f"{h}/mlp/c_fc/w": [1, n, 4 * n], f"{h}/mlp/c_fc/b": [4 * n]}
        found |= {f"{h}/mlp/c_proj/w": [1, 4 * n, n], f"{h}/mlp/c_proj/b": [n]}
    return found | {"model/ln_f/g": [n], "model/ln_f/b": [n]}


def write(folder: Path, hparams: dict[str, int]) -> None:
    """Write checkpoint, index, data and hparams.json."""
    rng = np.random.default_rng(0)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        variables = []
        for name, shape in shapes(hparams).items():
            # As a feed: in a graph, constants may not come to more than 2 GB.
            values = tf.compat.v1.placeholder(tf.float32, shape)
            variables.append(tf.compat.v1.get_variable(name, initializer=values))
            drawn = rng.standard_normal(shape, dtype=np.float32) / 4
            session.run(variables[-1].initializer, {values: drawn})
        saver = tf.compat.v1.train.Saver(variables)  # in format V2, its default
        saver.save(session, str(folder / "model.ckpt"), write_meta_graph=False)
    text = 'model_checkpoint_path: "model.ckpt"\nall_model_checkpoint_paths: "model.ckpt"\n'
    (folder / "checkpoint").write_text(text, encoding="utf-8")
    (folder / "hparams.json").write_text(json.dumps(hparams, indent=2) + "\n", encoding="utf-8")


def expect(folder: Path) -> None:
    """Write what TensorFlow reads."""
    reader = tf.train.load_checkpoint(str(folder))
    names = reader.get_variable_to_shape_map()
    np.savez_compressed(folder / "expected.npz", **{n: reader.get_tensor(n) for n in sorted(names)})


if __name__ == "__main__":
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    place.mkdir(parents=True, exist_ok=True)
    write(place, SMALL if sys.argv[2:] == ["124M"] else TINY)
    if not sys.argv[2:]:
        expect(place)
