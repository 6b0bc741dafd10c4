"""What a Debian package says of its files' licences, and what a Qt resource file holds.

Usage: debian_files.py licences COPYRIGHT PATH...      prints one line a path: licence, authors, path
       debian_files.py unpack FILE.rcc FOLDER          writes the files of a Qt resource file below FOLDER
"""
import fnmatch
import os
import struct
import sys
import zlib


def paragraphs(path):
    """The paragraphs of a file in Debian's control syntax, each a dictionary of its fields."""
    field, fields = None, {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            line = line.rstrip("\n")
            if not line.strip():
                if fields:
                    yield fields
                field, fields = None, {}
            elif line[0] in " \t":
                if field:
                    fields[field] += "\n" + line.strip()
            elif ":" in line:
                field, _, value = line.partition(":")
                fields[field] = value.strip()
    if fields:
        yield fields


def licences(copyright_file):
    """(patterns, licence, authors) of the file in its order. Of those that match a path the last one counts
    (https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/, files-field)."""
    for fields in paragraphs(copyright_file):
        if "Files" in fields:
            yield (fields["Files"].split(), fields.get("License", "unknown").split("\n")[0].strip(),
                   "; ".join(fields.get("Copyright", "unknown").split("\n")).strip())


def licence_of(path, known):
    """(licence, authors) of a path; ("unknown", "unknown") where no pattern matches. '*' matches '/', too."""
    found = ("unknown", "unknown")
    for patterns, licence, authors in known:
        if any(fnmatch.fnmatchcase(path, pattern.replace("[", "[[]")) for pattern in patterns):
            found = (licence, authors)
    return found


class Resources:
    """A Qt resource file of version 1 to 3 (QResource's binary format, qtbase/src/corelib/io/qresource.cpp):
    a tree of 14-byte nodes (22 from version 2 on), names in UTF-16, files stored as they are or by zlib."""

    def __init__(self, data):
        self.data = data
        magic, self.version, self.tree, self.contents, self.names = struct.unpack_from(">4siiii", data, 0)
        if magic != b"qres" or not 1 <= self.version <= 3:
            raise SystemExit("not a Qt resource file of version 1 to 3")
        self.node = 14 if self.version == 1 else 22

    def name(self, offset):
        length, = struct.unpack_from(">H", self.data, self.names + offset)
        start = self.names + offset + 6  # after the length and a hash
        return self.data[start:start + 2 * length].decode("utf-16-be")

    def files(self, index=0, folder=""):
        """(path, bytes) of every file below a node."""
        at = self.tree + index * self.node
        name, flags = struct.unpack_from(">IH", self.data, at)
        path = folder + "/" + self.name(name) if index else ""
        if flags & 2:  # a folder
            count, first = struct.unpack_from(">II", self.data, at + 6)
            for child in range(first, first + count):
                yield from self.files(child, path)
            return
        offset, = struct.unpack_from(">I", self.data, at + 10)
        size, = struct.unpack_from(">I", self.data, self.contents + offset)
        content = self.data[self.contents + offset + 4:self.contents + offset + 4 + size]
        if flags & 4:
            raise SystemExit(path + ": compressed by Zstandard, which is not read")
        yield path.lstrip("/"), zlib.decompress(content[4:]) if flags & 1 else content


def unpack(resource_file, folder):
    with open(resource_file, "rb") as file:
        resources = Resources(file.read())
    for path, content in resources.files():
        target = os.path.join(folder, path)
        if ".." in path.split("/"):
            raise SystemExit(path + ": leads out of the folder")
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as file:
            file.write(content)


if __name__ == "__main__":
    if len(sys.argv) > 3 and sys.argv[1] == "licences":
        known = list(licences(sys.argv[2]))
        for path in sys.argv[3:]:
            print(*licence_of(path, known), path, sep="\t")
    elif len(sys.argv) == 4 and sys.argv[1] == "unpack":
        unpack(sys.argv[2], sys.argv[3])
    else:
        sys.exit(__doc__)
