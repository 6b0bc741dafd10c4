"""Selects photographs from unpacked packages, as photos.sh has fetched them.

Usage: select_photos.py PACKAGES FOLDER SIDE EXCLUDED
"""
import math
import os
import subprocess
import sys

import debian_files

free = {"public-domain", "CC0-1.0", "CC-BY-1.0", "CC-BY-2.0", "CC-BY-3.0", "CC-BY-4.0"}

# Of gcompris-qt-data, only photographs that show what its copyright file describes: many of its pictures were
# replaced since, so that the file's licence is another picture's (the "hammerhead shark" is a sea goldie).
gcompris = ["categorization/resource/images/monuments/" + name
            for name in ("greatWall", "leMusee", "leaningTowerOfPisa", "mountRushmore", "zimniPalace")]
gcompris += ["categorization/resource/images/renewable/" + name for name in ("windmill", "solar1", "solar2")]
gcompris += ["explore_world_animals/resource/animals/" + name for name in ("moose", "crocodile", "panda")]
drawn = {"umang_by_Abhishek_Mudgal.jpg"}  # a colour gradient


def candidates(packages):
    """(package, file, licence, author) of each photograph that may be taken."""
    root = os.path.join(packages, "krank/files/usr/share")
    with open(os.path.join(root, "doc/krank/copyright"), encoding="utf-8") as file:
        if "License: Public Domain" not in file.read():
            raise SystemExit("krank: its images are no longer said to be in the public domain")
    for folder, _, names in sorted(os.walk(os.path.join(root, "games/krank"))):
        for name in sorted(names):
            if name.endswith(".jpg"):
                yield "krank", os.path.join(folder, name), "public-domain", "Slava Anishenko"

    package = "lomiri-wallpapers-16.04"
    root = os.path.join(packages, package, "files/usr/share")
    known = list(debian_files.licences(os.path.join(root, "doc", package, "copyright")))
    for name in sorted(os.listdir(os.path.join(root, "backgrounds"))):
        licence, author = debian_files.licence_of("16.04/" + name, known)
        if licence in free and name not in drawn:
            yield package, os.path.join(root, "backgrounds", name), licence, author

    package = "gcompris-qt-data"
    known = list(debian_files.licences(os.path.join(packages, package, "files/usr/share/doc", package, "copyright")))
    for stem in gcompris:  # the copyright file names what they were before they became WebP
        licence, author = debian_files.licence_of("src/activities/" + stem + ".jpg", known)
        if licence not in free:
            raise SystemExit(package + ": " + stem + " is now under the licence " + licence)
        yield package, os.path.join(packages, package, "unpacked/gcompris/src/activities", stem + ".webp"), licence, author

    package = "palapeli-data"
    root = os.path.join(packages, package, "files/usr/share/palapeli/collection")
    for name in sorted(os.listdir(root)):
        if name.endswith(".desktop"):
            with open(os.path.join(root, name), encoding="utf-8") as file:
                said = dict(line.rstrip("\n").split("=", 1) for line in file if "=" in line)
            if said.get("X-KDE-PluginInfo-License") == "Public Domain":
                yield (package, os.path.join(root, name.replace(".desktop", ".jpg")), "public-domain",
                       said.get("X-KDE-PluginInfo-Author", "unknown"))


def convert(*arguments):
    return subprocess.run(["convert", *arguments], check=True, stdout=subprocess.PIPE).stdout


def impression(path):
    """A photograph's middle square as 32 x 32 gray values of mean 0 and length 1: what a resized, recompressed
    or recoloured copy keeps."""
    gray = convert(path + "[0]", "-gravity", "center", "-thumbnail", "32x32^", "-extent", "32x32", "-colorspace",
                   "Gray", "-depth", "8", "gray:-")
    mean = sum(gray) / len(gray)
    length = math.sqrt(sum((value - mean) ** 2 for value in gray)) or 1
    return [(value - mean) / length for value in gray]


def resembles(a, b):
    return sum(x * y for x, y in zip(a, b)) > 0.9


def main(packages, folder, side, excluded):
    tests = [(name, impression(os.path.join(excluded, name))) for name in sorted(os.listdir(excluded))
             if name.endswith((".png", ".jpg"))]
    taken, pixels = [], 0
    rows = ["file\tpackage\tversion\tlicence\tauthor\toriginal\twidth\theight"]
    for package, path, licence, author in candidates(packages):
        seen = impression(path)
        same = [name for name, other in tests + taken if resembles(seen, other)]
        if same:
            print("left out: {} of {} resembles {}".format(os.path.basename(path), package, same[0]), file=sys.stderr)
            continue
        stem = os.path.splitext(os.path.basename(path))[0]
        # Small ones are not compressed again.
        name = package + "-" + stem + (".png" if path.endswith(".webp") else ".jpg")
        target = os.path.join(folder, name)
        convert(path + "[0]", "-auto-orient", "-filter", "Lanczos", "-resize", "{0}x{0}>".format(side), "-strip",
                "-colorspace", "sRGB", "-sampling-factor", "1x1", "-quality", "95", target)
        width, height = map(int, convert(target, "-format", "%w %h", "info:").split())
        with open(os.path.join(packages, package + ".version"), encoding="utf-8") as file:
            version = file.read().strip()
        original = os.path.relpath(path, os.path.join(packages, package)).replace("files/", "/", 1)
        rows.append("\t".join([name, package, version, licence, author, original, str(width), str(height)]))
        taken.append((name, seen))
        pixels += width * height
    with open(os.path.join(folder, "MANIFEST.tsv"), "w", encoding="utf-8") as file:
        file.write("\n".join(rows) + "\n")
    print("\n".join(rows))
    print("{} photographs, {:.1f} megapixels".format(len(taken), pixels / 1e6), file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
