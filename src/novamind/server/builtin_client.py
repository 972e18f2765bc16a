"""The client by which people log in to this server itself: the dashboard, and programs that they run at home."""

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from novamind.infrastructure.database import Database, insert_missing
from novamind.infrastructure.identity.domain import Permission
from novamind.infrastructure.identity.tables import OAuthClient

#: Known to everybody, as a public client's id is; what protects a login is its challenge and its redirect address.
BUILTIN_CLIENT: Final = UUID("6e6f7661-6d69-4e64-8000-000000000001")
CALLBACK: Final = "/callback"


async def register_builtin_client(database: Database, public_url: str) -> None:
    """Make the client, or give it the present address of the server."""
    addresses = [public_url + CALLBACK]
    async with database.transaction() as session:
        await insert_missing(
            session,
            OAuthClient,
            client_id=BUILTIN_CLIENT,
            name="novamind",
            scopes=sorted(Permission),
            redirect_uris=addresses,
            created_at=datetime.now(UTC),
        )
        await session.execute(
            sa.update(OAuthClient)
            .where(OAuthClient.client_id == BUILTIN_CLIENT)
            .values(redirect_uris=addresses, scopes=sorted(Permission))
        )
