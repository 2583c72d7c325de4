"""Makes and recognises PNG files, for tests that need pictures."""
import struct
import zlib

import numpy


def png(pixels):
    """A PNG file of uint8 [H, W] or [H, W, 3]."""
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2 if pixels.ndim == 3 else 0, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def is_png(path):
    return path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def read_pixels(path):
    """The pixels of a PNG file of 8 bits, not interlaced: uint8 [H, W, channels]."""
    content = path.read_bytes()
    place, data = 8, b""
    while place < len(content):
        length, kind = struct.unpack(">I4s", content[place:place + 8])
        body = content[place + 8:place + 8 + length]
        place += length + 12
        if kind == b"IHDR":
            width, height, _, colour = struct.unpack(">IIBB", body[:10])
        data += body if kind == b"IDAT" else b""
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    rows = numpy.frombuffer(zlib.decompress(data), "u1").reshape(height, 1 + width * channels)
    out = numpy.zeros((height + 1, width + 1, channels), int)  # a pixel of zeros before each row, a row of them above
    for y, (filter_type, *_) in enumerate(rows, 1):
        values = rows[y - 1, 1:].reshape(width, channels).astype(int)
        row, above = out[y], out[y - 1]
        if filter_type in (0, 2):
            row[1:] = values + (above[1:] if filter_type == 2 else 0)
        elif filter_type == 1:
            row[1:] = values.cumsum(0)
        else:
            for x in range(1, width + 1):
                left, up, corner = row[x - 1], above[x], above[x - 1]
                if filter_type == 3:
                    predicted = (left + up) // 2
                else:
                    to_left, to_up, to_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
                    predicted = numpy.where((to_left <= to_up) & (to_left <= to_corner), left, numpy.where(to_up <= to_corner, up, corner))
                row[x] = (values[x - 1] + predicted) % 256
        row %= 256
    return out[1:, 1:].astype("u1")
