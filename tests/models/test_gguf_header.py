"""A GGUF file's claims are compared with its content before anything is built from them."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFWriter

from trimtab.errors import ModelError
from trimtab.models.bundled import bundled_gguf, resolve
from trimtab.models.gguf.header import check_gguf

ONE_ENTRY = b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k"
"""No tensors, and one entry named k, whose value is to follow."""


def written(path: Path, blocks: int = 2, claimed: int = 2, width: int = 8, **numbers: int) -> Path:
    file = path / "m.gguf"
    writer = GGUFWriter(file, "llama")
    writer.add_block_count(claimed)
    writer.add_embedding_length(width)
    writer.add_token_list(["a", "b", "c"])
    for name, number in numbers.items():
        writer.add_uint32(f"llama.{name}", number)
    writer.add_tensor("token_embd.weight", np.zeros((3, 8), np.float32))
    for block in range(blocks):
        writer.add_tensor(f"blk.{block}.attn_q.weight", np.zeros((8, 8), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def refused(file: Path) -> str:
    start = time.process_time()
    with pytest.raises(ModelError) as caught:
        resolve(str(file))
    assert time.process_time() - start < 5
    assert str(caught.value).startswith(str(file))
    return str(caught.value)


def test_sound_files_are_fine(tmp_path: Path) -> None:
    check_gguf(written(tmp_path, feed_forward_length=32, context_length=10_000_000))
    if (bundled := bundled_gguf()) is not None:
        check_gguf(bundled)


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"claimed": 1_000_000}, "1000000 blocks and holds 2"),
        ({"blocks": 0}, "holds 0"),
        ({"width": 2**31}, "width of 2147483648"),
        ({"feed_forward_length": 2**31}, "feed_forward_length"),
        ({"expert_count": 4096}, "4096 experts"),
        ({"vocab_size": 2**31}, "vocabulary"),
    ],
)
def test_what_the_tensors_do_not_hold_is_refused(tmp_path: Path, claims: dict[str, int], words: str) -> None:
    assert words in refused(written(tmp_path, **claims))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"GGU", "not a GGUF"),
        (b"PK\x03\x04" * 10, "not a GGUF"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**60, 1), "tensors"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1, 2**60), "entries"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**62), "text"),
        (ONE_ENTRY + struct.pack("<IIQ", 9, 8, 2**62), "array"),
        (ONE_ENTRY + struct.pack("<I", 99) + b"\0" * 99, "kind"),
        (
            ONE_ENTRY + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 9,
            "kind",
        ),
        (b"GGUF" + struct.pack(">IQQ", 3, 1, 1), "version"),
    ],
)
def test_headers_that_never_end_are_refused(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "m.gguf").write_bytes(content)
    message = refused(tmp_path / "m.gguf")
    assert words in message or (not content and "not a GGUF" in message)


def test_a_file_that_is_cut_anywhere_is_refused(tmp_path: Path) -> None:
    content = written(tmp_path).read_bytes()
    for length in range(0, len(content) - 32, 61):
        (tmp_path / "cut.gguf").write_bytes(content[:length])
        refused(tmp_path / "cut.gguf")


def test_a_folder_whose_configuration_is_a_pipe_or_claims_too_much_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"num_hidden_layers": 1000000}', encoding="utf-8")
    with pytest.raises(ModelError, match=r"config\.json: claims 1,000,000 layers"):
        resolve(str(tmp_path))
    (tmp_path / "config.json").write_text("[" * 5000, encoding="utf-8")
    with pytest.raises(ModelError, match=r"config\.json.*JSON"):
        resolve(str(tmp_path))
    (tmp_path / "config.json").unlink()
    (tmp_path / "config.json").symlink_to("/dev/zero")
    with pytest.raises(ModelError, match=r"config\.json"):
        resolve(str(tmp_path))
