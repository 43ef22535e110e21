# SPDX-License-Identifier: BSD-3-Clause
"""A small vfio-user client, and drivers of a virtio-iommu and a virtio block device over it. For the tests."""
import array
import mmap
import os
import socket
import struct
import subprocess
import time

VERSION, DMA_MAP, DMA_UNMAP, DEVICE_INFO, REGION_INFO, IRQ_INFO, IRQ_SET, READ, WRITE, RESET = \
	1, 2, 3, 4, 5, 7, 8, 9, 10, 13
CONFIG = 7  # the region
RAM_SIZE = 1 << 20


class Server:
	"""The program, as long as the `with` lasts. Afterwards `stats` is what it printed at its end."""

	def __init__(self, program, directory, bdfs=("28",), options=()):
		self.iommu = os.path.join(directory, "iommu.sock")
		self.disks = [os.path.join(directory, bdf + ".sock") for bdf in bdfs]
		self.command = [program, "--stats", *options, self.iommu]
		for path, bdf in zip(self.disks, bdfs):
			self.command += [path, bdf]
		self.stats = {}

	def __enter__(self):
		self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
		assert self.process.stdout.readline() == "ready\n"
		return self

	def __exit__(self, *_):
		self.process.terminate()
		try:
			out, _ = self.process.communicate(timeout=30)
		except subprocess.TimeoutExpired:
			self.process.kill()
			raise
		for line in out.splitlines():
			name, value = line.split()
			self.stats[name] = int(value)
		assert self.process.returncode == 0, self.process.returncode


class Refused(Exception):
	"""The answer was an error: its errno is the argument."""


class Client:
	def __init__(self, path, introduce=True):
		self.socket = socket.socket(socket.AF_UNIX)
		self.socket.settimeout(10)
		self.socket.connect(path)
		self.id = 0
		if introduce:
			body = self.ask(VERSION, struct.pack("<HH", 0, 1) + b'{"capabilities":{}}\0')
			assert struct.unpack_from("<HH", body) == (0, 0) and body.endswith(b"}\0")

	def close(self):
		self.socket.close()

	def send(self, command, body=b"", fds=(), flags=0, size=None):
		self.id = (self.id + 1) & 0xffff
		header = struct.pack("<HHIII", self.id, command, 16 + len(body) if size is None else size, flags, 0)
		control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
		self.socket.sendmsg([header + body], control)

	def receive(self, size):
		data = b""
		while len(data) < size:
			piece = self.socket.recv(size - len(data))
			if not piece:
				raise EOFError
			data += piece
		return data

	def ask(self, command, body=b"", fds=(), **how):
		self.send(command, body, fds, **how)
		number, what, size, flags, error = struct.unpack("<HHIII", self.receive(16))
		answer = self.receive(size - 16)
		assert (number, what, flags & 0xf) == (self.id, command, 1)
		if flags & 0x20:
			raise Refused(error)
		return answer

	def read(self, region, offset, count):
		head = struct.pack("<QII", offset, region, count)
		answer = self.ask(READ, head)
		assert answer[:16] == head
		return answer[16:]

	def write(self, region, offset, data, **how):
		return self.ask(WRITE, struct.pack("<QII", offset, region, len(data)) + data, **how)

	def dma_map(self, address, size, fd=None, offset=0, flags=3, argsz=32):
		return self.ask(DMA_MAP, struct.pack("<IIQQQ", argsz, flags, offset, address, size),
		                () if fd is None else (fd,))

	def dma_unmap(self, address, size, flags=0, argsz=24):
		return self.ask(DMA_UNMAP, struct.pack("<IIQQ", argsz, flags, address, size))

	def irq_set(self, index, start, count, flags=0x24, fds=(), data=b"", argsz=20):
		return self.ask(IRQ_SET, struct.pack("<IIIII", argsz, flags, index, start, count) + data, fds)


class Ram:
	"""Guest memory at guest-physical 0x100000."""
	BASE = 0x100000

	def __init__(self):
		self.fd = os.memfd_create("ram")
		os.ftruncate(self.fd, RAM_SIZE)
		self.bytes = mmap.mmap(self.fd, RAM_SIZE)

	def get(self, address, size):
		return self.bytes[address - self.BASE:address - self.BASE + size]

	def put(self, address, data):
		self.bytes[address - self.BASE:address - self.BASE + len(data)] = data

	def share(self, client):
		client.dma_map(self.BASE, RAM_SIZE, self.fd)


class Virtio:
	"""A driver for one function: bring-up over BAR 0, a queue or two, requests one at a time."""

	def __init__(self, client, ram, queues, size=16, at=None):
		self.client, self.ram, self.size = client, ram, size
		self.rings = {}
		self.interrupts = []
		client.write(CONFIG, 4, struct.pack("<H", 6))
		self.status(0)
		deadline = time.monotonic() + 10
		while self.common(20, 1) != 0:
			assert time.monotonic() < deadline
		self.status(3)
		features = 0
		for half in (0, 1):
			self.store(0, struct.pack("<I", half))
			features |= self.common(4, 4) << 32 * half
		self.features = features & ~(3 << 28)
		for half in (0, 1):
			self.store(8, struct.pack("<I", half))
			self.store(12, struct.pack("<I", self.features >> 32 * half & 0xffffffff))
		self.status(11)
		assert self.common(20, 1) == 11
		events = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(1 + queues)]
		client.irq_set(2, 0, len(events), fds=events)
		client.write(CONFIG, self.msix() + 2, struct.pack("<H", 0x8000))
		self.interrupts = events
		for queue in range(queues):
			base = (at or ram.BASE) + queue * 0x1000
			self.rings[queue] = [base, 0]
			self.store(22, struct.pack("<H", queue))
			self.store(24, struct.pack("<H", size))
			self.store(26, struct.pack("<H", 1 + queue))
			assert self.common(26, 2) == 1 + queue
			for k, part in enumerate((base, base + 0x400, base + 0x800)):
				self.store(32 + 8 * k, struct.pack("<I", part & 0xffffffff))
				self.store(36 + 8 * k, struct.pack("<I", part >> 32))
			self.store(28, struct.pack("<H", 1))
		self.status(15)

	def msix(self):
		space = self.client.read(CONFIG, 0, 256)
		at = space[0x34]
		while at and space[at] != 0x11:
			at = space[at + 1]
		assert at
		return at

	def common(self, offset, width):
		return int.from_bytes(self.client.read(0, offset, width), "little")

	def store(self, offset, data):
		self.client.write(0, offset, data)

	def status(self, value):
		self.store(20, bytes([value]))

	def post(self, queue, pieces, kick=True):
		"""pieces: (address, length, writable), as descriptors from the first one on."""
		base, index = self.rings[queue]
		where = self.where(base)
		for k, (address, length, writable) in enumerate(pieces):
			flags = (1 if k + 1 < len(pieces) else 0) | (2 if writable else 0)
			self.ram.put(where + 16 * k, struct.pack("<QIHH", address, length, flags, k + 1))
		self.ram.put(where + 0x404 + 2 * (index % self.size), struct.pack("<H", 0))
		self.ram.put(where + 0x402, struct.pack("<H", index + 1 & 0xffff))
		self.rings[queue][1] = index + 1
		if kick:
			self.kick(queue)

	def kick(self, queue):
		self.client.write(0, 0x3000 + 4 * queue, struct.pack("<H", queue))

	def where(self, base):
		return base  # in memory, of what the device calls so

	def used(self, queue):
		return struct.unpack("<H", self.ram.get(self.where(self.rings[queue][0]) + 0x802, 2))[0]

	def wait(self, queue, seconds=10):
		deadline = time.monotonic() + seconds
		while self.used(queue) != self.rings[queue][1] & 0xffff:
			if time.monotonic() > deadline:
				raise TimeoutError
			time.sleep(0.001)
		return True


class Iommu(Virtio):
	def __init__(self, client, ram):
		super().__init__(client, ram, 2)

	def request(self, body, writable=4):
		out, into = self.ram.BASE + 0x3000, self.ram.BASE + 0x3800
		self.ram.put(out, body)
		self.ram.put(into, b"\xff" * writable)
		self.post(0, [(out, len(body), False), (into, writable, True)])
		self.wait(0)
		return self.ram.get(into, writable)[-4]

	def attach(self, domain, endpoint, flags=0):
		return self.request(struct.pack("<BxxxIII4x", 1, domain, endpoint, flags))

	def map(self, domain, first, last, physical, flags=3):
		return self.request(struct.pack("<BxxxIQQQI", 3, domain, first, last, physical, flags))

	def unmap(self, domain, first, last):
		return self.request(struct.pack("<BxxxIQQ4x", 4, domain, first, last))


class Blk(Virtio):
	"""Its rings and buffers are at `shift` above where they are in memory, for the device."""

	def __init__(self, client, ram, shift=0):
		self.shift = shift
		super().__init__(client, ram, 1, at=ram.BASE + 0x8000 + shift)

	def where(self, base):
		return base - self.shift

	def request(self, kind, sector=0, out=b"", into=0, data=0x10000):
		head, data = self.ram.BASE + 0x9000, self.ram.BASE + data
		self.ram.put(head, struct.pack("<IIQ", kind, 0, sector) + b"\xff")
		self.ram.put(data, out)
		pieces = [(head + self.shift, 16, False)]
		if out:
			pieces.append((data + self.shift, len(out), False))
		if into:
			pieces.append((data + self.shift, into, True))
		self.post(0, pieces + [(head + 16 + self.shift, 1, True)])

	def ask(self, kind, sector=0, out=b"", into=0, data=0x10000):
		self.request(kind, sector, out, into, data)
		self.wait(0)
		return self.ram.get(self.ram.BASE + 0x9010, 1)[0], self.ram.get(self.ram.BASE + data, into)
