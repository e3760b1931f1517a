"""What is read of a GGUF file is what `gguf` itself reads."""

from pathlib import Path

import gguf
import numpy as np
import pytest

from mipro_studio.optimizer_core.models.embedded.gguf_file import read_gguf


def write(path: Path) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(3)
    writer.add_rope_freq_base(10_000.5)
    writer.add_token_list(["a", "", "ß and more", "long" * 300])
    writer.add_token_types([1, 2, 3, 1])
    writer.add_token_scores([0.5, -1.0, 2.25, 0.0])
    writer.add_key_value("flags", [True, False], gguf.GGUFValueType.ARRAY, sub_type=gguf.GGUFValueType.BOOL)
    writer.add_add_bos_token(True)
    writer.add_tensor("one", np.arange(12, dtype=np.float32).reshape(3, 4))
    writer.add_tensor("two", np.ones((2, 32), np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def same(path: Path) -> None:
    ours, theirs = read_gguf(path), gguf.GGUFReader(path)
    assert list(ours.fields) == list(theirs.fields)
    for name, field in theirs.fields.items():
        assert ours.fields[name].contents() == field.contents(), name
        assert ours.fields[name].types == field.types
    assert [one.name for one in ours.tensors] == [one.name for one in theirs.tensors]
    for one, other in zip(ours.tensors, theirs.tensors, strict=True):
        assert one.tensor_type == other.tensor_type
        assert np.array_equal(one.data, other.data)


def test_fields_and_tensors_are_those_that_the_library_reads(tmp_path: Path) -> None:
    write(tmp_path / "some.gguf")
    same(tmp_path / "some.gguf")
    assert read_gguf(tmp_path / "some.gguf").fields["tokenizer.ggml.tokens"].contents()[2:] == [
        "ß and more",
        "long" * 300,
    ]


def test_what_is_no_such_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "some.gguf").write_bytes(b"nothing of that kind" * 9)
    with pytest.raises(ValueError, match="magic"):
        read_gguf(tmp_path / "some.gguf")
