"""What a migration says to each database, written down: a migration that was released is never changed."""

import importlib.util
import io
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext

import novamind.infrastructure.database as database
from tests.golden import check_golden

VERSIONS = Path(database.__file__).with_name("migrations") / "versions"


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        f"novamind.infrastructure.migrations.versions.{name}", VERSIONS / f"{name}.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check_migration(test_file: str, name: str, after: str | None) -> None:
    """Compare what a migration would run on SQLite and on PostgreSQL with what it ran when it was released."""
    module = loaded(name)
    assert (module.revision, module.down_revision) == (name[:4], after)
    columns: list[str] = []
    op = module.op

    def noting(create: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*given: Any, **more: Any) -> Any:
            columns.extend(repr(one) for one in given if isinstance(one, sa.Column))  # SQL has no length of bytes
            return create(*given, **more)

        return noted

    module.op = SimpleNamespace(  # type: ignore[attr-defined]
        create_table=noting(op.create_table),
        add_column=noting(op.add_column),
        create_index=op.create_index,
        execute=op.execute,
        get_context=op.get_context,
    )
    said = {}
    for dialect in ("sqlite", "postgresql"):
        out = io.StringIO()
        context = MigrationContext.configure(dialect_name=dialect, opts={"as_sql": True, "output_buffer": out})
        with Operations.context(context):
            module.upgrade()
        said[dialect] = [" ".join(one.split()) for one in out.getvalue().split(";\n\n") if one.strip()]
    check_golden(test_file, name, said | {"columns": columns[: len(columns) // 2]})
