#!/usr/bin/env python3
"""How many samples of classes are recognised by their nearest neighbour (pixels, Euclidean) among examples.

Usage: idx_nearest.py EXAMPLES.gz LABELS.gz FOLDER [--classes 10]
FOLDER/image_1.png, image_2.png, ... are of classes 0, 1, ..., 9, 0, 1, ... (tweedie-sample --label 0 1 ... 9), as large as
the examples or padded with black. Wants numpy and Pillow.
"""
import argparse
import os

import numpy as np
from idx_pictures import read_idx
from PIL import Image


def numbers(path, axes):
    data, extents = read_idx(path, axes)
    return np.frombuffer(data, np.uint8).reshape(extents)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("examples")
    parser.add_argument("labels")
    parser.add_argument("folder")
    parser.add_argument("--classes", type=int, default=10)
    options = parser.parse_args()
    examples, labels = numbers(options.examples, 3).astype(np.float32), numbers(options.labels, 1)
    _, height, width = examples.shape
    examples = examples.reshape(len(examples), -1)
    squares = (examples**2).sum(1)
    found, count = np.zeros(options.classes, int), np.zeros(options.classes, int)
    while os.path.exists(path := os.path.join(options.folder, f"image_{count.sum() + 1}.png")):
        picture = np.asarray(Image.open(path).convert("L"), np.float32)
        top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
        picture = picture[top : top + height, left : left + width].ravel()
        label = count.sum() % options.classes
        found[label] += labels[np.argmin(squares - 2 * (examples @ picture))] == label
        count[label] += 1
    if not count.sum():
        raise SystemExit(f"{options.folder}: no image_1.png")
    print(f"{found.sum()} of {count.sum()} recognised; by class: {' '.join(map(str, found))}")


main()
