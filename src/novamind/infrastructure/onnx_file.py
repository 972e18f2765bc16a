"""Networks as ONNX files: written without the folders of the machine, opened to run on one thread."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from novamind.errors import ModelInferenceError

if TYPE_CHECKING:
    import onnxruntime


def write_network(program: Any, path: Path) -> None:
    """Write the network of ``torch.onnx.export`` to one file, weights included.

    Raises
    ------
    ModelInferenceError
        If it gave nothing.
    """
    if program is None:
        raise ModelInferenceError("the network could not be exported; check the installed torch and onnxscript")
    # The exporter notes where in the source each node came from, with this machine's folders.
    for node in program.model.graph:
        node.metadata_props.clear()
    program.save(path, external_data=False)


def open_network(path: Path) -> onnxruntime.InferenceSession:
    """Return a session of the network on one thread, since large batches run side by side."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
