"""The few files that pages need: one style sheet, one script, one icon; public, since there is nothing in them."""

import hashlib
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FILES: Final = {
    f"/static/{file.name}": (file.read_bytes(), _TYPES[file.suffix])
    for file in sorted(Path(__file__).with_name("static").iterdir())
    if file.suffix in _TYPES
}
#: For the guard.
PATHS: Final = frozenset({*_FILES, "/favicon.ico"})

routes = APIRouter(include_in_schema=False)


async def _file(request: Request) -> Response:
    content, media_type = _FILES.get(request.url.path, _FILES["/static/icon.svg"])
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    headers = {"Cache-Control": "no-cache", "ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


for _path in PATHS:
    routes.add_api_route(_path, _file, methods=["GET"], response_model=None)
