"""A trained joint distribution as plain arrays and JSON: nothing that runs when it is loaded."""

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from novamind.errors import ModelInferenceError
from novamind.populations.generation.rules import DeterminedRule, RangeRule, RatioRule, Rules, SumRule
from novamind.populations.generation.sequential_trees import SequentialTrees, Step, Tree
from novamind.populations.table import Column

FORMAT = 2
_NODES = ("left", "right", "feature", "threshold", "missing_left")


def pack(trees: SequentialTrees) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Split into a JSON manifest and named arrays."""
    arrays: dict[str, NDArray[Any]] = {}
    steps = []
    for i, step in enumerate(trees.steps):
        arrays[f"{i}/support"] = step.support
        if step.grid is not None:
            arrays[f"{i}/grid"] = step.grid
        for t, tree in enumerate(step.trees):
            at = f"{i}/{t}"
            arrays |= {f"{at}/{name}": values for name, values in zip(_NODES, tree.nodes, strict=True)}
            arrays |= {f"{at}/leaf_of_node": tree.leaf_of_node, f"{at}/keys": tree.keys}
            arrays |= {f"{at}/encoder{j}": e for j, e in enumerate(tree.encoders) if e is not None}
        steps.append(
            {
                "name": step.name,
                "kind": step.kind,
                "decimals": step.decimals,
                "predictors": step.predictors,
                "rooms": step.rooms,
                "scale": step.scale,
                "pattern": step.pattern,
                "hinted": step.hinted,
                "line": step.line,
                "trees": len(step.trees),
                "encoders": len(step.trees[0].encoders) if step.trees else 0,
            }
        )
    rules = trees.rules
    return {
        "format": FORMAT,
        "columns": [vars(c) for c in trees.columns],
        "steps": steps,
        "rules": {
            "sums": [vars(r) for r in rules.sums],
            "ranges": [vars(r) for r in rules.ranges],
            "determined": [vars(r) for r in rules.determined],
            "ratios": [vars(r) for r in rules.ratios],
            "minimum": dict(rules.minimum),
        },
    }, arrays


def read_archive(content: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read the manifest and the arrays of a stored model.

    Raises
    ------
    ModelInferenceError
        If the archive is damaged or of another format.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        manifest: dict[str, Any] = json.loads(arrays.pop("manifest").tobytes())
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ModelInferenceError("the stored twin model is damaged; train it again") from error
    if manifest.get("format") != FORMAT:
        raise ModelInferenceError("the stored twin model has a format that this version cannot read; train it again")
    return manifest, arrays


def unpack(manifest: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> SequentialTrees:
    """Rebuild the joint distribution from ``pack``."""
    steps = []
    for i, described in enumerate(manifest["steps"]):
        trees = []
        for t in range(described["trees"]):
            at = f"{i}/{t}"
            trees.append(
                Tree(
                    tuple(arrays[f"{at}/{name}"] for name in _NODES),
                    tuple(arrays.get(f"{at}/encoder{j}") for j in range(described["encoders"])),
                    arrays[f"{at}/leaf_of_node"],
                    arrays[f"{at}/keys"],
                )
            )
        steps.append(
            Step(
                described["name"],
                described["kind"],
                described["decimals"],
                tuple(described["predictors"]),
                tuple(described["rooms"]),
                described["scale"],
                arrays[f"{i}/support"],
                tuple(trees),
                described["pattern"],
                arrays.get(f"{i}/grid"),
                described["hinted"],
                None if described["line"] is None else tuple(described["line"]),
            )
        )
    entries = manifest["rules"]
    rules = Rules(
        tuple(SumRule(tuple(r["parts"]), r["total"], r["equal"]) for r in entries["sums"]),
        tuple(
            RangeRule(r["column"], r["given"], tuple(r["levels"]), tuple(r["low"]), tuple(r["high"]))
            for r in entries["ranges"]
        ),
        tuple(DeterminedRule(r["column"], r["by"], tuple(r["mapping"])) for r in entries["determined"]),
        tuple(RatioRule(**r) for r in entries["ratios"]),
        entries["minimum"],
    )
    columns = tuple(Column(c["name"], c["kind"], tuple(c["levels"]), c["decimals"]) for c in manifest["columns"])
    return SequentialTrees(steps, rules, columns)
