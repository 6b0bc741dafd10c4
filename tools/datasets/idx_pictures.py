#!/usr/bin/env python3
"""Pictures of an IDX file (Fashion-MNIST, MNIST) as PNG files, padded with black as tweedie-train pads them.

Usage: idx_pictures.py IMAGES.gz FOLDER [--labels LABELS.gz] [--count N] [--size 32]
Writes FOLDER/0000.png, 0001.png, ... in the file's order; with labels 0000_9.png, the class behind the number.
"""
import argparse
import gzip
import os
import struct
import zlib


def read_idx(path, axes):
    """The numbers of an IDX file of bytes with that many axes, and its extents."""
    try:
        with gzip.open(path) as file:
            data = file.read()
    except (OSError, EOFError) as error:
        raise SystemExit(f"{path}: {error}")
    if data[:3] != b"\0\0\x08" or len(data) < 4 or data[3] != axes:
        raise SystemExit(f"{path}: not an IDX file of bytes with {axes} axes")
    extents = struct.unpack(f">{axes}I", data[4 : 4 + 4 * axes])
    return data[4 + 4 * axes :], extents


def png(rows):
    """A gray picture of 8 bits as PNG; rows: one bytes object each."""
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images")
    parser.add_argument("folder")
    parser.add_argument("--labels")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--size", type=int, default=32)
    options = parser.parse_args()
    data, (count, height, width) = read_idx(options.images, 3)
    labels = read_idx(options.labels, 1)[0] if options.labels else None
    above, left = (options.size - height) // 2, (options.size - width) // 2
    if min(above, left) < 0:
        raise SystemExit(f"--size {options.size}: the pictures are {height} x {width}")
    os.makedirs(options.folder, exist_ok=True)
    black = bytes(options.size)
    for n in range(min(count, options.count)):
        at = n * height * width
        rows = [bytes(left) + data[at + i * width : at + (i + 1) * width] + bytes(options.size - left - width)
                for i in range(height)]
        rows = [black] * above + rows + [black] * (options.size - above - height)
        name = f"{n:04d}_{labels[n]}.png" if labels else f"{n:04d}.png"
        with open(os.path.join(options.folder, name), "wb") as file:
            file.write(png(rows))


if __name__ == "__main__":
    main()
