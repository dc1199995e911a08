"""The graph that Triton and Ray Serve run, which have no export of their own: made once, through optimum."""

import shutil
from pathlib import Path


def export(model: Path, folder: Path) -> Path:
    """Writes graph, tokenizer and configuration of an MLflow model into a folder, where they are not there yet."""
    if folder.is_dir():
        return folder
    from optimum.exporters.onnx import main_export

    draft = folder.with_name(f".{folder.name}")
    shutil.rmtree(draft, ignore_errors=True)
    source = draft / "source"
    # As optimum wants it: weights and tokenizer in one folder.
    for part in (model / "model", model / "components" / "tokenizer"):
        shutil.copytree(part, source, dirs_exist_ok=True)
    main_export(str(source), draft, task="text-classification", do_validation=False)
    shutil.copy(source / "tokenizer.json", draft)
    shutil.rmtree(source)
    draft.rename(folder)
    return folder
