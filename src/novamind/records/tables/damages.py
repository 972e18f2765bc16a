"""What a packed file raises that was damaged on its way, whatever reads it."""

import gzip
import zipfile
import zlib
from typing import Final

DAMAGES: Final = (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, NotImplementedError, RuntimeError)
