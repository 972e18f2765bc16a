"""All pages, and what the guard must know of them."""

import re
from typing import Final

from novamind.server.dashboard import account, devices, login, patients, populations, record, upload, users

#: In the order in which they are asked.
PAGES: Final = (
    login.routes,
    account.routes,
    patients.routes,
    record.routes,
    upload.routes,
    devices.routes,
    populations.routes,
    users.routes,
)
PUBLIC: Final = login.PATHS
#: Pages that take files.
UPLOAD: Final = re.compile(r"/patients/[^/]+/upload")
TABLE: Final = re.compile(r"/populations/models")
