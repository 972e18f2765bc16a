"""Raw genotype files of 23andMe and AncestryDNA: text, one line a variant, named by rs number.

Their coordinates are GRCh37; we go by rs number alone, so nothing needs lifting. Both vendors report the plus
strand. A no-call (``--``, ``0``) stays missing.
"""

import re
from pathlib import Path

from novamind.errors import DataProcessingError, ValidationError
from novamind.settings import Settings

_RSID = re.compile(r"rs\d+|i\d+")
_CALLS = frozenset("ACGTID")


def read_consumer_array(source: str | Path | bytes) -> dict[str, tuple[str, str]]:
    """Return the genotypes of a raw data file.

    Parameters
    ----------
    source
        Path of the text file, or its content.

    Returns
    -------
    dict
        rs number -> the two called letters: a base, or ``I`` and ``D`` for insertion and deletion. No-calls
        and variants on one copy only are left out.

    Raises
    ------
    DataProcessingError
        The file cannot be read or is no 23andMe or AncestryDNA text.
    ValidationError
        The file is larger than ``NOVAMIND_MAX_FILE_BYTES``.
    """
    text = read_text(source, "genotype file")
    calls: dict[str, tuple[str, str]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#") or line.lower().startswith(("rsid", '"rsid')):
            continue
        fields = [f.strip('" ') for f in re.split(r"[\t,]", line)]
        if len(fields) not in {4, 5} or not _RSID.fullmatch(fields[0]):
            raise DataProcessingError(
                f"line {number} is not a 23andMe or AncestryDNA line (rsid, chromosome, position, genotype)"
            )
        letters = "".join(fields[3:]).upper()
        if len(letters) == 2 and set(letters) <= _CALLS:
            calls[fields[0]] = (letters[0], letters[1])
    if not calls:
        raise DataProcessingError(
            "the genotype file holds no called variant; is it raw data of 23andMe or AncestryDNA?"
        )
    return calls


def read_text(source: str | Path | bytes, what: str) -> str:
    """Return a small text file as UTF-8, with the size limit and our errors.

    Raises
    ------
    DataProcessingError
        The file cannot be opened or is not text.
    ValidationError
        It is larger than ``NOVAMIND_MAX_FILE_BYTES``.
    """
    limit = Settings().max_file_bytes
    if isinstance(source, bytes):
        content = source
    else:
        try:
            with Path(source).open("rb") as handle:
                content = handle.read(limit + 1)
        except OSError as error:
            raise DataProcessingError(f"cannot open the {what}: {error.strerror}") from error
    if len(content) > limit:
        raise ValidationError(f"the {what} is larger than {limit} bytes; raise NOVAMIND_MAX_FILE_BYTES to read it")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataProcessingError(f"the {what} is not UTF-8 text") from error
