"""Tests of tools/datasets/debian_files.py: licences by path, Qt resource files. Run by ctest where Python is found."""
import os
import struct
import sys
import tempfile
import unittest
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/datasets"))
import debian_files  # noqa: E402

COPYRIGHT = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: 2001 Everybody
License: GPL-3+

Files: pictures/*
       extra[1].jpg
Copyright: 2002 One
           2003 Two
License: CC-BY-4.0
Comment: two lines
 of it

Files: pictures/deep/a?.jpg
Copyright: Three
License: CC0-1.0

License: CC0-1.0
 The text of it. Files: none
"""


def resource_file(version, files):
    """A Qt resource file of {folder: {name: (flags, bytes)}}; flag 1: compressed."""
    names, contents, nodes = b"", b"", []

    def name(text):
        nonlocal names
        at = len(names)
        names += struct.pack(">HI", len(text), 0) + text.encode("utf-16-be")
        return at

    def node(*values):
        nodes.append(struct.pack(*values) + (b"\0" * 8 if version > 1 else b""))

    node(">IHII", 0, 2, len(files), 1)
    first = 1 + len(files)
    for folder, inside in files.items():
        node(">IHII", name(folder), 2, len(inside), first)
        first += len(inside)
    for inside in files.values():
        for text, (flags, data) in inside.items():
            stored = struct.pack(">I", len(data)) + zlib.compress(data) if flags & 1 else data
            node(">IHHHI", name(text), flags, 0, 0, len(contents))
            contents += struct.pack(">I", len(stored)) + stored
    tree = b"".join(nodes)
    head = 20
    return struct.pack(">4siiii", b"qres", version, head, head + len(tree), head + len(tree) + len(contents)) + \
        tree + contents + names


class Licences(unittest.TestCase):
    def setUp(self):
        with tempfile.NamedTemporaryFile("w", suffix="copyright") as file:
            file.write(COPYRIGHT)
            file.flush()
            self.known = list(debian_files.licences(file.name))

    def test_the_last_pattern_that_matches_counts(self):
        def licence(path):
            return debian_files.licence_of(path, self.known)
        self.assertEqual(licence("code/x.c"), ("GPL-3+", "2001 Everybody"))
        self.assertEqual(licence("pictures/b.jpg"), ("CC-BY-4.0", "2002 One; 2003 Two"))
        self.assertEqual(licence("pictures/deep/deeper/b.jpg")[0], "CC-BY-4.0")
        self.assertEqual(licence("pictures/deep/a1.jpg"), ("CC0-1.0", "Three"))
        self.assertEqual(licence("extra[1].jpg")[0], "CC-BY-4.0")  # brackets are plain characters
        self.assertEqual(licence("extra1.jpg")[0], "GPL-3+")
        self.assertEqual(debian_files.licence_of("x", self.known[1:]), ("unknown", "unknown"))


class ResourceFiles(unittest.TestCase):
    def test_files_are_unpacked_with_their_paths(self):
        for version in (1, 2, 3):
            data = resource_file(version, {"one": {"a.txt": (0, b"plain"), "b.webp": (1, b"packed" * 99)},
                                           "zwei": {"\u00e4.bin": (0, b"")}})
            self.assertEqual(list(debian_files.Resources(data).files()),
                             [("one/a.txt", b"plain"), ("one/b.webp", b"packed" * 99), ("zwei/\u00e4.bin", b"")])

    def test_what_is_no_resource_file_or_leads_out_is_refused(self):
        with self.assertRaises(SystemExit):
            debian_files.Resources(b"qrex" + b"\0" * 40)
        with self.assertRaises(SystemExit):
            debian_files.Resources(resource_file(1, {})[:4] + b"\0\0\0\x09" + b"\0" * 40)
        with self.assertRaises(SystemExit):
            list(debian_files.Resources(resource_file(1, {"x": {"a": (4, b"z")}})).files())
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "x.rcc")
            with open(path, "wb") as file:
                file.write(resource_file(1, {"..": {"a": (0, b"z")}}))
            with self.assertRaises(SystemExit):
                debian_files.unpack(path, os.path.join(folder, "inside"))
            self.assertEqual(os.listdir(folder), ["x.rcc"])


if __name__ == "__main__":
    unittest.main()
