"""The files inside a ``.fit``: how long each says it is, and whether it can be read in time.

The length that the header states counts (FIT protocol, "File Header"): header, data, two bytes of checksum. Further
files may be chained behind; anything else there belongs to no file. A file of tiny records would be decoded for hours,
so records are counted first, which costs little.
"""

from novamind.errors import ValidationError

#: A day and night of one record and one message of beats a second are 173,000.
MOST_RECORDS = 300_000
_SIGNATURE = b".FIT"
_HEADER_SIZES = (12, 14)
_CHECKSUM_BYTES = 2
_DEFINITION, _DEVELOPER, _COMPRESSED = 0x40, 0x20, 0x80


def fit_files(data: bytes, name: str) -> tuple[list[bytes], int]:
    """Return each FIT file of the data, and the number of bytes that belong to none.

    Raises
    ------
    ValidationError
        The first is not a FIT file or any is cut off; or they hold more records than a device writes.
    """
    files = []
    start = records = 0
    while _is_header(data, start):
        size = data[start]
        length = size + int.from_bytes(data[start + 4 : start + 8], "little") + _CHECKSUM_BYTES
        if length == size + _CHECKSUM_BYTES:
            raise ValidationError(f"{name}: is not a whole FIT file: it is empty")
        if start + length > len(data):
            raise ValidationError(f"{name}: is not a whole FIT file: copy it from the device again")
        try:
            records += _records(data, start + size, start + length - _CHECKSUM_BYTES, MOST_RECORDS - records)
        except (KeyError, IndexError) as error:
            raise ValidationError(f"{name}: is not a whole FIT file: copy it from the device again") from error
        if records > MOST_RECORDS:
            raise ValidationError(
                f"{name}: holds more than {MOST_RECORDS:,} records, more than a device writes: give shorter recordings"
            )
        files.append(data[start : start + length])
        start += length
    if not files:
        raise ValidationError(f"{name}: is not a whole FIT file: copy it from the device again")
    return files, len(data) - start


def _is_header(data: bytes, start: int) -> bool:
    return (
        len(data) >= start + min(_HEADER_SIZES)
        and data[start] in _HEADER_SIZES
        and data[start + 8 : start + 12] == _SIGNATURE
    )


def _records(data: bytes, start: int, end: int, most: int) -> int:
    """Return how many records lie between two places, or one more than ``most`` as soon as there are more."""
    sizes: dict[int, int] = {}
    count = 0
    while start < end and count <= most:
        header = data[start]
        if header & _COMPRESSED:
            start += 1 + sizes[(header >> 5) & 0x3]
        elif header & _DEFINITION:
            fields = data[start + 5]
            after = start + 6 + 3 * fields
            size = sum(data[start + 7 : after : 3])
            if header & _DEVELOPER:
                developer_fields = data[after]
                size += sum(data[after + 2 : after + 1 + 3 * developer_fields : 3])
                after += 1 + 3 * developer_fields
            sizes[header & 0xF] = size
            start = after
        else:
            start += 1 + sizes[header & 0xF]
        count += 1
    return count
