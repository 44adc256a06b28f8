"""SigLIP and SigLIP 2, real but tiny and random, saved to a folder with tokenizer and preprocessing."""

import json

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import (
    PreTrainedTokenizerFast,
    Siglip2Config,
    Siglip2Model,
    SiglipConfig,
    SiglipModel,
)

from tests.fan_model.vision_language_models import WORDS

WIDTH, NUM_TOKENS = 32, 12
SPECIAL = ["<pad>", "</s>", "<unk>"]
TEXT = {
    "hidden_size": WIDTH,
    "intermediate_size": 2 * WIDTH,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": NUM_TOKENS,
    "projection_size": WIDTH,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "bos_token_id": 1,
}
VISION = {
    "hidden_size": WIDTH,
    "intermediate_size": 2 * WIDTH,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "patch_size": 8,
}


def tokenizer():
    words = [*SPECIAL, *WORDS, "a", "film", "poster"]
    whole = Tokenizer(WordLevel({word: place for place, word in enumerate(words)}, unk_token="<unk>"))
    whole.pre_tokenizer = Whitespace()
    whole.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=whole, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", padding_side="right"
    )


def model(kind):
    torch.manual_seed(0)
    num_words = len(tokenizer())
    text = {**TEXT, "vocab_size": num_words}
    if kind == "siglip2":
        config = Siglip2Config(text_config=text, vision_config={**VISION, "num_patches": 16})
        return Siglip2Model(config).eval()
    return SiglipModel(SiglipConfig(text_config=text, vision_config={**VISION, "image_size": 32})).eval()


def save_model(folder, kind):
    """Save a model of a kind with what it reads with; it sees pictures in a mean of its own."""
    made = model(kind)
    made.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    size = (
        {"patch_size": 8, "max_num_patches": 16}
        if kind == "siglip2"
        else {"size": {"height": 32, "width": 32}}
    )
    processor = "Siglip2ImageProcessor" if kind == "siglip2" else "SiglipImageProcessor"
    looks = {"image_processor_type": processor, "image_mean": [0.4] * 3, "image_std": [0.25] * 3, **size}
    (folder / "preprocessor_config.json").write_text(json.dumps(looks))
    return folder
