"""Small things that rooms share: a manifest's files, texts that a spreadsheet would run, and networks on one thread."""

import hashlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import polars as pl
import pytest

from novamind.errors import ModelInferenceError
from novamind.infrastructure.manifest import check_files, digest
from novamind.infrastructure.onnx_file import open_network, write_network
from novamind.infrastructure.spreadsheet import without_apostrophes, without_formulas


def test_a_file_is_the_one_that_the_manifest_lists_or_it_is_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode() * 100_000)
    stated = {name: hashlib.sha256(name.encode() * 100_000).hexdigest() for name in ("a", "b")}
    assert {name: digest(tmp_path / name) for name in stated} == stated
    check_files(tmp_path, stated)
    with pytest.raises(ModelInferenceError, match=r"^b is not the file that the manifest describes"):
        check_files(tmp_path, stated | {"b": stated["a"]})
    with pytest.raises(OSError, match="c"):
        check_files(tmp_path, stated | {"c": ""})


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("'=1", "''=1"),
        ("''=1", "'''=1"),
        ("a=1", "a=1"),
        (" =1", " =1"),
        ("'a", "'a"),
        ("", ""),
        ("a\n=1", "a\n=1"),
        (None, None),
    ],
)
def test_a_text_that_begins_like_a_formula_is_written_with_an_apostrophe(text: str | None, written: str | None) -> None:
    table = pl.DataFrame({"text": [text], "number": [-1.5]}, schema={"text": pl.String, "number": pl.Float64})
    safe = without_formulas(table)
    assert safe.row(0) == (written, -1.5)
    assert without_apostrophes(safe).row(0) == (text, -1.5)


def test_a_network_runs_on_one_thread_and_warns_of_nothing(tmp_path: Path) -> None:
    helper = onnx.helper
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "twice",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [2])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "twice.onnx")
    session = open_network(tmp_path / "twice.onnx")
    assert session.run(None, {"x": np.array([1, 2], np.float32)})[0].tolist() == [2, 4]
    options = session.get_session_options()
    assert (options.intra_op_num_threads, options.log_severity_level) == (1, 3)
    assert session.get_providers() == ["CPUExecutionProvider"]


def test_a_network_is_written_without_the_folders_of_the_machine(tmp_path: Path) -> None:
    saved: list[tuple[Path, bool]] = []
    nodes = [SimpleNamespace(metadata_props={"source": "/home/ada"}) for _ in range(2)]
    program = SimpleNamespace(
        model=SimpleNamespace(graph=nodes), save=lambda path, external_data: saved.append((path, external_data))
    )
    write_network(program, tmp_path / "n.onnx")
    assert [node.metadata_props for node in nodes] == [{}, {}]
    assert saved == [(tmp_path / "n.onnx", False)]
    with pytest.raises(ModelInferenceError, match="could not be exported; check the installed torch"):
        write_network(None, tmp_path / "n.onnx")
