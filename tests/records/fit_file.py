"""Small FIT files, made by hand after the protocol of the FIT SDK: header, definition, data, checksum."""

import struct
from datetime import datetime

_EPOCH = datetime(1989, 12, 31)  # noqa: DTZ001 - UTC, as everything in a FIT file
#: Message numbers and fields of the FIT profile: ``{message: (number, {field: (number, base type, struct code)})}``.
_PROFILE = {
    "file_id": (0, {"manufacturer": (1, 0x84, "H"), "garmin_product": (2, 0x84, "H")}),
    "record": (20, {"timestamp": (253, 0x86, "I"), "heart_rate": (3, 0x02, "B")}),
    "weight_scale": (30, {"timestamp": (253, 0x86, "I"), "weight": (0, 0x84, "H")}),
    "monitoring": (
        55,
        {
            "timestamp": (253, 0x86, "I"),
            "heart_rate": (27, 0x02, "B"),
            "cycles": (3, 0x86, "I"),
            "activity_type": (5, 0x00, "B"),
        },
    ),
    "hrv": (78, {"time": (0, 0x84, "5H")}),
    "monitoring_info": (103, {"timestamp": (253, 0x86, "I"), "local_timestamp": (0, 0x86, "I")}),
}


def _checksum(data: bytes) -> int:
    table = (
        0x0000,
        0xCC01,
        0xD801,
        0x1400,
        0xF001,
        0x3C00,
        0x2800,
        0xE401,
        0xA001,
        0x6C00,
        0x7800,
        0xB401,
        0x5000,
        0x9C01,
        0x8801,
        0x4400,
    )
    crc = 0
    for byte in data:
        for part in (byte & 0xF, byte >> 4):
            crc = (crc >> 4) & 0x0FFF ^ table[crc & 0xF] ^ table[part]
    return crc


def fit_file(*messages: tuple[str, dict[str, int | datetime | tuple[int, ...]]]) -> bytes:
    """One FIT file of these messages; times are UTC."""
    body = b""
    for name, values in messages:
        number, fields = _PROFILE[name]
        body += struct.pack("<BBBHB", 0x40, 0, 0, number, len(values))
        for field in values:
            at, base, code = fields[field]
            body += struct.pack("<BBB", at, struct.calcsize(code), base)
        body += b"\0"
        for field, value in values.items():
            plain = int((value - _EPOCH).total_seconds()) if isinstance(value, datetime) else value
            body += struct.pack(f"<{fields[field][2]}", *(plain if isinstance(plain, tuple) else (plain,)))
    header = struct.pack("<BBHI4s", 14, 0x20, 2132, len(body), b".FIT")
    header += struct.pack("<H", _checksum(header))
    return header + body + struct.pack("<H", _checksum(header + body))
