# SPDX-License-Identifier: BSD-3-Clause
"""A root file system in memory for a Linux guest: busybox, modules of a Debian kernel, and a script to run."""
import gzip
import lzma
import os
import re
import stat

INIT = b"""#!/bin/sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for m in $(cat /m/order); do insmod /m/$m.ko || echo "CHECK module $m FAILED"; done
. /work
echo "CHECK end ok"
poweroff -f
"""


def find_modules(root):
	found = {}
	for folder, _, names in os.walk(root):
		for name in names:
			match = re.match(r"(.+)\.ko(\.xz)?$", name)
			if match:
				found[match.group(1).replace("-", "_")] = os.path.join(folder, name)
	return found


def load_order(root, wanted):
	"""Modules with what they depend on, in the order to load them; what is built in is not among them."""
	found, blobs = find_modules(root), {}

	def need(name):
		if name not in found or name in blobs:
			return
		with open(found[name], "rb") as file:
			blob = file.read()
		if found[name].endswith(".xz"):
			blob = lzma.decompress(blob)
		for depends in re.findall(rb"\0depends=([^\0]*)\0", blob):
			for other in depends.decode().split(","):
				need(other.replace("-", "_"))
		blobs[name] = blob

	for name in wanted:
		need(name)
	return blobs


def build(out, modules_root, modules, busybox, files):
	"""files: contents by path; the one at "work" is the script."""
	archive = bytearray()

	def put(name, mode, data=b"", device=(0, 0)):
		fields = (put.number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0)
		put.number += 1
		archive.extend(b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0")
		archive.extend(bytes(-len(archive) % 4) + data)
		archive.extend(bytes(-len(archive) % 4))

	put.number = 1
	program = stat.S_IFREG | 0o755
	for folder in ("bin", "dev", "proc", "sys", "m", "tmp"):
		put(folder, stat.S_IFDIR | 0o755)
	put("dev/console", stat.S_IFCHR | 0o600, b"", (5, 1))
	with open(busybox, "rb") as file:
		put("bin/busybox", program, file.read())
	for link in ("sh", "mount", "insmod"):
		put("bin/" + link, stat.S_IFLNK | 0o777, b"busybox")
	blobs = load_order(modules_root, modules)
	for name, blob in blobs.items():
		put("m/%s.ko" % name, program, blob)
	put("m/order", program, "\n".join(blobs).encode())
	put("init", program, INIT)
	for path, data in files.items():
		put(path, program, data)
	put("TRAILER!!!", 0)
	with open(out, "wb") as file:
		file.write(gzip.compress(bytes(archive), 1))
