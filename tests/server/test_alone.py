"""A calculator served alone has its own routes and nothing of a patient."""

from pathlib import Path

import httpx

from novamind.server.app import create_app
from novamind.settings import Settings
from tests.server.world import BASE, World


def test_symptoms_alone(tmp_path: Path) -> None:
    settings = Settings(database_url=f"sqlite:///{tmp_path}/novamind.db", key_file=tmp_path / "keys.json")
    app = create_app(settings, ("symptoms",))

    async def statuses() -> dict[str, int]:
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
                paths = ("/health", "/ready", "/metrics", "/api/v1/symptoms/forecast")
                return {path: (await client.get(path)).status_code for path in paths}

    described = set(app.openapi()["paths"])
    assert "/api/v1/symptoms/forecast" in described
    assert not [path for path in described if "patients" in path or "graphql" in path or "live" in path]
    with World(f"sqlite:///{tmp_path}/other.db", tmp_path, workers=0) as nobody:
        found = nobody.run(statuses())
    assert found == {"/health": 200, "/ready": 200, "/metrics": 401, "/api/v1/symptoms/forecast": 401}
