"""Files of an export for tests, without a disk."""

from io import BytesIO

from novamind.records.wearables.files import ExportFile

LIMIT = 1 << 28


def export_file(path: str, content: bytes | str, limit: int = LIMIT) -> ExportFile:
    data = content.encode() if isinstance(content, str) else content
    return ExportFile(path, len(data), limit, lambda: BytesIO(data))
