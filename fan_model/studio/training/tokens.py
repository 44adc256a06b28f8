"""The tokenizer: byte-level BPE in CLIP's form, learnt from captions."""

import json
from pathlib import Path
from random import Random

import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import Tensor
from transformers import CLIPTokenizer

from fan_model.studio.posters.captions import ADJECTIVES, NAMES, NOUNS, VARIED, write_caption, write_title
from fan_model.studio.posters.poster import sample_spec
from fan_model.studio.training.recipe import NUM_TOKENS, VOCABULARY

START, END = "<|startoftext|>", "<|endoftext|>"
CLIP_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
"""How CLIP splits text into words."""


def make_tokenizer(folder: Path, seed: int, num_captions: int = 40_000) -> CLIPTokenizer:
    """Learn a tokenizer from captions and titles, save it, and return it as loaded."""
    folder.mkdir(parents=True, exist_ok=True)
    merges = _learn_merges(_texts(seed, num_captions))
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary, kept = [*alphabet, *(letter + "</w>" for letter in alphabet)], []
    known = set(vocabulary)
    for left, right in merges:
        if (
            left in known
            and right in known
            and left + right not in known
            and len(vocabulary) < VOCABULARY - 2
        ):
            vocabulary.append(left + right)
            known.add(left + right)
            kept.append(f"{left} {right}")
    ids = {token: number for number, token in enumerate([*vocabulary, START, END])}
    (folder / "vocab.json").write_text(json.dumps(ids, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *kept, ""]), encoding="utf-8")
    made = CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=NUM_TOKENS)
    made.model_max_length = NUM_TOKENS
    made.save_pretrained(folder)
    return read_tokenizer(folder)


def read_tokenizer(folder: Path) -> CLIPTokenizer:
    """Load the tokenizer of a folder."""
    return CLIPTokenizer.from_pretrained(folder, local_files_only=True)


def tokenize(tokenizer: CLIPTokenizer, captions: list[str]) -> Tensor:
    """Return token ids, [len(captions), 48]."""
    encoded = tokenizer(captions, padding="max_length", truncation=True, max_length=NUM_TOKENS)
    return torch.tensor(encoded["input_ids"])


def _texts(seed: int, num_captions: int) -> list[str]:
    random = Random(f"{seed}/tokens")
    captions = [write_caption(sample_spec(random), random, VARIED) for _ in range(num_captions)]
    titles = [write_title(random) for _ in range(num_captions // 4)]
    return captions + titles + 20 * (NOUNS + ADJECTIVES + NAMES)


def _learn_merges(texts: list[str]) -> list[tuple[str, str]]:
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(CLIP_WORDS), "removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - 2,
        end_of_word_suffix="</w>",
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        min_frequency=2,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [tuple(pair) if isinstance(pair, list) else tuple(pair.split(" ")) for pair in merges]
