"""Tiny random pipelines of every family, made from configurations alone.

Weights are random but seeded, and large enough in scale that different texts give clearly different answers.
"""

import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import Pipeline, PreTrainedTokenizerFast, pipeline

CORPUS = (Path(__file__).resolve().parent.parent / "LICENSE").read_text()


@cache
def tokenizer(*, bert: bool) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of 600 tokens; in BERT's form it wraps texts in [CLS] and [SEP]."""
    specials = ["[PAD]", "[CLS]", "[SEP]", "[MASK]"] if bert else ["<|end|>"]
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator([CORPUS], trainer)
    if not bert:
        return PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<|end|>", eos_token="<|end|>")
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    names = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    return PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=64, **names)


_BERT = {
    "vocab_size": 600,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "initializer_range": 0.5,
    "pad_token_id": 0,
}


def _seeded(model_class: Any, config: Any) -> Any:
    torch.manual_seed(7)
    return model_class(config).eval()


def classifier(labels: int = 3, **config: Any) -> Pipeline:
    """BERT with a classification head."""
    settings = transformers.BertConfig(**_BERT, num_labels=labels, **config)
    model = _seeded(transformers.BertForSequenceClassification, settings)
    return pipeline("text-classification", model=model, tokenizer=tokenizer(bert=True))


def encoder() -> Pipeline:
    """BERT without a head."""
    model = _seeded(transformers.BertModel, transformers.BertConfig(**_BERT))
    return pipeline("feature-extraction", model=model, tokenizer=tokenizer(bert=True))


def generator(**config: Any) -> Pipeline:
    """GPT-2 with 96 positions; its pipeline has no padding token, as GPT-2's own has none."""
    sizes = {"vocab_size": 600, "n_positions": 96, "n_embd": 32, "n_layer": 2, "n_head": 2, "initializer_range": 0.5}
    settings = transformers.GPT2Config(**sizes, bos_token_id=0, eos_token_id=0, **config)
    return pipeline(
        "text-generation", model=_seeded(transformers.GPT2LMHeadModel, settings), tokenizer=tokenizer(bert=False)
    )


_WAV2VEC2: Mapping[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "conv_dim": (32, 32, 32),
    "conv_kernel": (10, 3, 2),
    "conv_stride": (5, 4, 2),
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "pad_token_id": 0,
    "initializer_range": 0.5,
}


def ctc_recognizer() -> Pipeline:
    """Wav2Vec2 with a character vocabulary."""
    settings = transformers.Wav2Vec2Config(**_WAV2VEC2, vocab_size=32)
    with tempfile.TemporaryDirectory() as folder:
        characters = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ'"]
        file = Path(folder, "vocab.json")
        file.write_text("{" + ", ".join(f'"{c}": {i}' for i, c in enumerate(characters)) + "}")
        characters_tokenizer = transformers.Wav2Vec2CTCTokenizer(str(file))
    return pipeline(
        "automatic-speech-recognition",
        model=_seeded(transformers.Wav2Vec2ForCTC, settings),
        tokenizer=characters_tokenizer,
        feature_extractor=transformers.Wav2Vec2FeatureExtractor(return_attention_mask=False),
    )


def tagger() -> Pipeline:
    """BERT that labels tokens."""
    labels = dict(enumerate(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]))
    settings = transformers.BertConfig(**_BERT, id2label=labels, label2id={name: i for i, name in labels.items()})
    model = _seeded(transformers.BertForTokenClassification, settings)
    return pipeline("token-classification", model=model, tokenizer=tokenizer(bert=True))


def entailer() -> Pipeline:
    """BERT that says whether one text follows from another, for zero-shot classification."""
    labels = dict(enumerate(["contradiction", "neutral", "entailment"]))
    settings = transformers.BertConfig(**_BERT, id2label=labels, label2id={name: i for i, name in labels.items()})
    model = _seeded(transformers.BertForSequenceClassification, settings)
    return pipeline("zero-shot-classification", model=model, tokenizer=tokenizer(bert=True))


def reader() -> Pipeline:
    """BERT that finds answers in a text."""
    model = _seeded(transformers.BertForQuestionAnswering, transformers.BertConfig(**_BERT))
    return pipeline("question-answering", model=model, tokenizer=tokenizer(bert=True))


def table_reader() -> Pipeline:
    """TAPAS that chooses cells of a table and what is to be done with them."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,?!$%-"
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[EMPTY]"]
    aggregations = {0: "NONE", 1: "SUM", 2: "AVERAGE", 3: "COUNT"}
    vocabulary = [*specials, *letters, *(f"##{letter}" for letter in letters)]
    settings = transformers.TapasConfig(
        **{**_BERT, "vocab_size": len(vocabulary), "max_position_embeddings": 128},
        num_aggregation_labels=4,
        aggregation_labels=aggregations,
        type_vocab_sizes=[3, 64, 64, 64, 64, 64, 10],
        select_one_column=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "vocab.txt")
        file.write_text("\n".join(vocabulary))
        table_tokenizer = transformers.TapasTokenizer(str(file), model_max_length=128)
    model = _seeded(transformers.TapasForQuestionAnswering, settings)
    return pipeline("table-question-answering", model=model, tokenizer=table_tokenizer)


def masker() -> Pipeline:
    """BERT that fills masks."""
    model = _seeded(transformers.BertForMaskedLM, transformers.BertConfig(**_BERT))
    return pipeline("fill-mask", model=model, tokenizer=tokenizer(bert=True))


@cache
def _text2text_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer of an encoder-decoder: texts end in </s>, and there are no token types."""
    plain = tokenizer(bert=True).backend_tokenizer
    made = plain.from_str(plain.to_str())
    made.post_processor = processors.TemplateProcessing(
        single="$A [SEP]", pair="$A $B [SEP]", special_tokens=[("[SEP]", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        model_max_length=512,
        model_input_names=["input_ids", "attention_mask"],
        pad_token="[PAD]",
        eos_token="[SEP]",
        mask_token="[MASK]",
    )


def text2text(task: str = "text2text-generation") -> Pipeline:
    """T5; `task` may be summarization or a translation too."""
    settings = transformers.T5Config(
        vocab_size=600,
        d_model=32,
        d_kv=16,
        d_ff=64,
        num_layers=2,
        num_heads=2,
        pad_token_id=0,
        eos_token_id=2,
        decoder_start_token_id=0,
        initializer_factor=2.0,
        # A tied one says the same token again and again.
        tie_word_embeddings=False,
    )
    model = _seeded(transformers.T5ForConditionalGeneration, settings)
    return pipeline(task, model=model, tokenizer=_text2text_tokenizer())


CHAT_TEMPLATE = (
    "{% for message in messages %}<{{ message['role'] }}> {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant> {% endif %}"
)


def chatter() -> Pipeline:
    """GPT-2 whose tokenizer has a chat template."""
    pipe = generator()
    own = PreTrainedTokenizerFast(
        tokenizer_object=pipe.tokenizer.backend_tokenizer, bos_token="<|end|>", eos_token="<|end|>"
    )
    own.chat_template = CHAT_TEMPLATE
    return pipeline("text-generation", model=pipe.model, tokenizer=own)


def audio_classifier() -> Pipeline:
    """Wav2Vec2 with a classification head of six labels."""
    settings = transformers.Wav2Vec2Config(**{**_WAV2VEC2, "vocab_size": 32}, num_labels=6)
    return pipeline(
        "audio-classification",
        model=_seeded(transformers.Wav2Vec2ForSequenceClassification, settings),
        feature_extractor=transformers.Wav2Vec2FeatureExtractor(return_attention_mask=False),
    )


def image_classifier() -> Pipeline:
    """ViT of 32 by 32 pixels with six labels."""
    settings = transformers.ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        image_size=32,
        patch_size=8,
        num_labels=6,
        initializer_range=0.5,
    )
    return pipeline(
        "image-classification",
        model=_seeded(transformers.ViTForImageClassification, settings),
        image_processor=transformers.ViTImageProcessor(size={"height": 32, "width": 32}),
    )


_LANGUAGES = ("en", "de", "fr")
_SPECIALS = [
    "<|startoftranscript|>",
    *(f"<|{code}|>" for code in _LANGUAGES),
    "<|translate|>",
    "<|transcribe|>",
    "<|startofprev|>",
    "<|nospeech|>",
    "<|notimestamps|>",
]


def _whisper_tokenizer() -> transformers.WhisperTokenizerFast:
    plain = tokenizer(bert=False)
    made = transformers.WhisperTokenizerFast(
        tokenizer_object=plain.backend_tokenizer.from_str(plain.backend_tokenizer.to_str()),
        bos_token="<|end|>",
        eos_token="<|end|>",
        unk_token="<|end|>",
        pad_token="<|end|>",
    )
    made.add_special_tokens({"additional_special_tokens": _SPECIALS})
    times = [AddedToken(f"<|{step * 0.02:.2f}|>", special=False, normalized=False) for step in range(1501)]
    made.add_tokens(times)
    return made


def whisper() -> Pipeline:
    """A multilingual Whisper, which hears noise but follows every rule of the real one."""
    own = _whisper_tokenizer()
    ids = {name: own.convert_tokens_to_ids(name) for name in _SPECIALS}
    config = transformers.WhisperConfig(
        vocab_size=len(own),
        num_mel_bins=16,
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        init_std=0.5,
        bos_token_id=own.eos_token_id,
        eos_token_id=own.eos_token_id,
        pad_token_id=own.eos_token_id,
        decoder_start_token_id=ids["<|startoftranscript|>"],
    )
    model = _seeded(transformers.WhisperForConditionalGeneration, config)
    generation = {
        "is_multilingual": True,
        "lang_to_id": {f"<|{code}|>": ids[f"<|{code}|>"] for code in _LANGUAGES},
        "task_to_id": {"translate": ids["<|translate|>"], "transcribe": ids["<|transcribe|>"]},
        "no_timestamps_token_id": ids["<|notimestamps|>"],
        "prev_sot_token_id": ids["<|startofprev|>"],
        "alignment_heads": [[0, 0]],
        "max_initial_timestamp_index": 50,
        "begin_suppress_tokens": [own.eos_token_id],
        # Instead of the pipeline's own defaults, which are long and beam search.
        "max_new_tokens": 12,
        "num_beams": 1,
        # What is made from the model's configuration is made anew at loading, without these.
        "_from_model_config": False,
    }
    for name, value in generation.items():
        setattr(model.generation_config, name, value)
    return pipeline(
        "automatic-speech-recognition",
        model=model,
        tokenizer=own,
        feature_extractor=transformers.WhisperFeatureExtractor(feature_size=16),
    )
