"""Vision-language models, real but tiny and random, whose every token is a word."""

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessor,
    Idefics3Processor,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

IMAGE, PAD, START, END = "<image>", "<pad>", "<s>", "</s>"
SPECIAL = [PAD, START, END, IMAGE, "<fake_token_around_image>", "<global-img>", "<end_of_utterance>"]
TILES = [f"<row_{row}_col_{column}>" for row in range(1, 5) for column in range(1, 5)]
WORDS = [
    *("teal", "amber", "grainy", "wide", "neon", "soft", "ink", "flat", "dark", "pale"),
    *("blue", "red", "warm", "cold", "paper", "shot", "light", "line"),
]
CHAT = (
    "{% for message in messages %}{% for part in message.content %}"
    "{% if part.type == 'image' %}<image>{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}{% endfor %}{% if add_generation_prompt %} teal{% endif %}"
)
WIDTH = 16


def word_tokenizer():
    words = [*SPECIAL, *TILES, "<unk>", ",", *WORDS]
    tokenizer = Tokenizer(WordLevel({word: place for place, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=START,
        eos_token=END,
        unk_token="<unk>",
        additional_special_tokens=[*SPECIAL[3:], *TILES],
    )


def language_config(tokenizer):
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        initializer_range=1.0,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )


def say_words_only(model, tokenizer):
    """Take away every token of the answers that is no word and does not end them."""
    words = tokenizer.convert_tokens_to_ids([",", *WORDS, END])
    silent = [token for token in range(len(tokenizer)) if token not in words]
    model.generation_config.suppress_tokens = silent
    return model.eval()


def llava(chat_template=CHAT):
    """LLaVA, and its processor; without a template it is asked as models were before there were chats."""
    torch.manual_seed(0)
    tokenizer = word_tokenizer()
    vision = CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=16,
        projection_dim=WIDTH,
        initializer_range=1.0,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=language_config(tokenizer),
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        image_seq_length=4,
    )
    images = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor = LlavaProcessor(
        images,
        tokenizer,
        patch_size=16,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=chat_template,
    )
    return say_words_only(LlavaForConditionalGeneration(config), tokenizer), processor


def idefics():
    """Idefics 3, and its processor, which cuts pictures into tiles: prompts have different lengths."""
    torch.manual_seed(0)
    tokenizer = word_tokenizer()
    config = Idefics3Config(
        vision_config={
            "hidden_size": WIDTH,
            "intermediate_size": WIDTH,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 32,
            "patch_size": 8,
        },
        text_config=language_config(tokenizer),
        image_token_id=tokenizer.convert_tokens_to_ids(IMAGE),
        scale_factor=2,
        pad_token_id=tokenizer.pad_token_id,
    )
    images = Idefics3ImageProcessor(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
    processor = Idefics3Processor(images, tokenizer, image_seq_len=4, chat_template=CHAT)
    return say_words_only(Idefics3ForConditionalGeneration(config), tokenizer), processor


def save(folder, made):
    """Save a model and its processor, as `(model, processor)`, into a folder."""
    for part in made:
        part.save_pretrained(folder)
    return folder
