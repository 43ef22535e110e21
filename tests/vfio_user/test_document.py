#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Is the code in docs/hypervisor.md that of the program? No test of the server: it would notice any mutant."""
import pathlib
import re
import unittest


class Document(unittest.TestCase):
	def test_document__each_piece_of_code__is_in_the_program(self):
		tree = pathlib.Path(__file__).resolve().parents[2]
		squeeze = lambda text: " ".join(text.split())
		program = " ".join(squeeze(path.read_text()) for path in (tree / "examples/vfio-user").glob("*.[ch]"))
		pieces = re.findall(r"```c\n(.*?)```", (tree / "docs/hypervisor.md").read_text(), re.DOTALL)
		self.assertGreater(len(pieces), 3)
		for piece in pieces:
			self.assertIn(squeeze(piece), program)


if __name__ == "__main__":
	unittest.main()
