#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The example server under a client that behaves, and under clients that do not. No virtual machine.

usage: test_server.py PROGRAM [unittest arguments]
"""
import errno
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

from client import (Blk, Client, CONFIG, DEVICE_INFO, DMA_MAP, DMA_UNMAP, IRQ_INFO, IRQ_SET, Iommu, RAM_SIZE,
                    READ, REGION_INFO, RESET, Ram, Refused, Server, VERSION, WRITE)

PROGRAM = None
PAGE = 0x1000
SHIFT = 0x7000000000


class Case(unittest.TestCase):
	options = ()
	bdfs = ("28",)

	def setUp(self):
		directory = tempfile.TemporaryDirectory()
		self.addCleanup(directory.cleanup)
		self.server = Server(PROGRAM, directory.name, self.bdfs, self.options)
		self.server.__enter__()
		self.running = True
		self.addCleanup(self.stop)

	def stop(self):
		"""Ends the server: in good health, with nothing left over."""
		if self.running:
			self.running = False
			self.server.__exit__()
			self.assertEqual(self.server.stats["memory.mapped"], 0)
			self.assertEqual(self.server.stats["iommu.consistent"], 1)
		return self.server.stats

	def refused(self, number, call, *args, **kwargs):
		with self.assertRaises(Refused) as caught:
			call(*args, **kwargs)
		self.assertEqual(errno.errorcode[caught.exception.args[0]], errno.errorcode[number])

	def both(self):
		ram = Ram()
		iommu, disk = Client(self.server.iommu), Client(self.server.disks[0])
		ram.share(iommu)
		ram.share(disk)
		return ram, iommu, disk

	def behind_the_iommu(self):
		ram, iommu, disk = self.both()
		driver = Iommu(iommu, ram)
		self.assertEqual(driver.attach(1, 0x28), 0)
		last = ram.BASE + RAM_SIZE - 1 + SHIFT
		self.assertEqual(driver.map(1, ram.BASE + SHIFT, last, ram.BASE), 0)
		return ram, driver, Blk(disk, ram, SHIFT)


class Guest(Case):
	def test_disk__in_bypass__reads_what_was_written(self):
		ram, _, disk = self.both()
		blk = Blk(disk, ram)
		self.assertEqual(blk.ask(1, 8, os.urandom(PAGE))[0], 0)
		written = ram.get(ram.BASE + 0x10000, PAGE)
		self.assertEqual(blk.ask(0, 8, into=PAGE, data=0x20000), (0, written))

	def test_disk__behind_the_iommu__reads_what_was_written(self):
		ram, _, blk = self.behind_the_iommu()
		self.assertEqual(blk.ask(1, 8, os.urandom(16 * PAGE))[0], 0)
		written = ram.get(ram.BASE + 0x10000, 16 * PAGE)
		self.assertEqual(blk.ask(0, 8, into=16 * PAGE, data=0x40000), (0, written))
		self.assertEqual(os.read(blk.interrupts[1], 8), struct.pack("=Q", 2))

	def test_disk__all_kinds_of_requests__are_answered(self):
		_, _, blk = self.behind_the_iommu()
		self.assertEqual(blk.ask(1, 0, b"x" * 1024)[0], 0)
		self.assertEqual(blk.ask(4)[0], 0)
		self.assertEqual(blk.ask(8, into=20), (0, b"libviommu".ljust(20, b"\0")))
		self.assertEqual(blk.ask(13, out=struct.pack("<QII", 0, 1, 1))[0], 0)
		self.assertEqual(blk.ask(0, 0, into=1024), (0, bytes(512) + b"x" * 512))
		self.assertEqual(blk.ask(11, out=struct.pack("<QII", 1, 1, 0))[0], 0)
		self.assertEqual(blk.ask(99)[0], 2)

	def test_disk__requests_beyond_its_end__are_errors(self):
		_, _, blk = self.behind_the_iommu()
		sectors = 64 * 2048
		self.assertEqual(blk.ask(0, sectors - 1, into=512)[0], 0)
		self.assertEqual(blk.ask(0, sectors, into=512)[0], 1)
		self.assertEqual(blk.ask(0, sectors - 1, into=1024)[0], 1)
		self.assertEqual(blk.ask(1, 1 << 63, b"x" * 512)[0], 1)
		self.assertEqual(blk.ask(0, 0, into=511)[0], 1)
		self.assertEqual(blk.ask(11, out=struct.pack("<QII", sectors, 1, 0))[0], 1)
		self.assertEqual(blk.ask(13, out=struct.pack("<QII", (1 << 64) - 1, 2, 0))[0], 1)
		self.assertEqual(blk.ask(11, out=struct.pack("<QII", 0, 1, 1))[0], 2)

	def test_disk__a_write_without_room_for_its_status__writes_nothing(self):
		ram, _, blk = self.behind_the_iommu()
		head = ram.BASE + 0x9000
		ram.put(head, struct.pack("<IIQ", 1, 0, 0) + b"x" * 512)
		blk.post(0, [(head + SHIFT, 16 + 512, False)])
		blk.wait(0)
		self.assertEqual(blk.ask(0, 0, into=512), (0, bytes(512)))

	def test_disk__a_request_that_is_cut_short_or_too_long__is_an_error(self):
		ram, _, blk = self.behind_the_iommu()
		self.assertEqual(blk.ask(11, out=struct.pack("<QI", 0, 1))[0], 1)
		self.assertEqual(blk.ask(11, out=struct.pack("<QIIQII", 0, 1, 0, 1, 1, 0))[0], 1)
		head = ram.BASE + 0x9000
		ram.put(head, struct.pack("<IIQ", 4, 0, 0) + b"\xff")
		blk.post(0, [(head + SHIFT, 15, False), (head + 16 + SHIFT, 1, True)])
		blk.wait(0)
		self.assertEqual(ram.get(head + 16, 1), b"\1")

	def test_disk__after_unmap__faults_and_is_reported(self):
		ram, driver, blk = self.behind_the_iommu()
		driver.post(1, [(ram.BASE + 0x4000, 24, True)])
		self.assertEqual(driver.unmap(1, 0, (1 << 64) - 1), 0)
		blk.request(4)
		driver.wait(1)
		report = struct.unpack("<BxxxIII Q", ram.get(ram.BASE + 0x4000, 24))
		self.assertEqual((report[0], report[2]), (2, 0x28))
		self.assertGreaterEqual(report[4], SHIFT)
		self.assertGreater(self.stop()["iommu.faults"], 0)

	def test_stray_dma__on_command__is_reported(self):
		ram, driver, _ = self.behind_the_iommu()
		driver.post(1, [(ram.BASE + 0x4000, 24, True)])
		self.server.process.send_signal(signal.SIGUSR2)
		driver.wait(1)
		report = struct.unpack("<BxxxIII Q", ram.get(ram.BASE + 0x4000, 24))
		self.assertEqual((report[0], report[2], report[4]), (2, 0x28, 0x123456000))

	def test_map_and_unmap__while_the_disk_works__loses_nothing(self):
		ram, driver, blk = self.behind_the_iommu()
		chance = random.Random(1)
		for _ in range(200):
			data = chance.randbytes(PAGE)
			address = chance.randrange(1 << 20) * PAGE
			blk.request(1, 8 * chance.randrange(100), data)
			self.assertEqual(driver.map(1, address, address + PAGE - 1, ram.BASE), 0)
			self.assertEqual(driver.unmap(1, address, address + PAGE - 1), 0)
			blk.wait(0)
		stats = self.stop()
		self.assertEqual(stats["blk.28.errors"], 0)
		self.assertEqual(stats["iommu.statuses.ok"], sum(v for k, v in stats.items() if ".statuses." in k))

	def test_swap__while_all_work__loses_nothing(self):
		ram, driver, blk = self.behind_the_iommu()
		chance = random.Random(6)
		for i in range(200):
			data = chance.randbytes(PAGE)
			blk.request(1, 8 * (i % 100), data)
			if i % 4 == 0:
				self.server.process.send_signal(signal.SIGUSR1)
			address = (i % 100) * PAGE
			self.assertEqual(driver.map(1, address, address + PAGE - 1, ram.BASE), 0)
			if i >= 90:
				old = address - 90 * PAGE if i % 100 >= 90 else address + 10 * PAGE
				self.assertEqual(driver.unmap(1, old, old + PAGE - 1), 0)
			blk.wait(0)
			if i % 10 == 0:
				self.assertEqual(blk.ask(0, 8 * (i % 100), into=PAGE, data=0x20000), (0, data))
		interrupts = struct.unpack("=Q", os.read(driver.interrupts[1], 8))[0]
		self.assertEqual(interrupts, 2 + 200 + 110)
		stats = self.stop()
		self.assertGreater(stats["iommu.swaps"], 5)
		self.assertEqual((stats["iommu.requests.map"], stats["iommu.requests.unmap"]), (201, 110))
		self.assertEqual((stats["blk.28.errors"], stats["iommu.faults"]), (0, 0))

	def test_swap__of_a_device_that_nobody_uses__is_one(self):
		self.server.process.send_signal(signal.SIGUSR1)
		self.test_disk__behind_the_iommu__reads_what_was_written()
		self.server.process.send_signal(signal.SIGUSR1)
		self.assertEqual(self.stop()["iommu.swaps"], 2)

	def test_system_reset__with_the_disk_in_a_domain__leads_back_to_bypass(self):
		ram, driver, blk = self.behind_the_iommu()
		blk.client.ask(RESET)
		driver.client.ask(RESET)
		self.assertEqual(Blk(blk.client, ram).ask(4)[0], 0)

	def test_memory__unmapped_under_rings__needs_reset(self):
		ram, driver, blk = self.behind_the_iommu()
		for client in (driver.client, blk.client):
			client.dma_unmap(ram.BASE, RAM_SIZE)
			client.write(0, 0x3000, b"\0\0")
		deadline = time.monotonic() + 10
		for virtio in (driver, blk):
			while not virtio.common(20, 1) & 64:
				self.assertLess(time.monotonic(), deadline)

	def take_away_and_bring_back(self, client, ram, pause):
		"""As a client does that arranges guest memory anew: the server has it elsewhere afterwards."""
		client.dma_unmap(ram.BASE, RAM_SIZE)
		time.sleep(pause)
		ram.share(client)

	def test_memory__of_the_disk_away_and_back__while_it_works__loses_nothing(self):
		ram, driver, blk = self.behind_the_iommu()
		chance = random.Random(4)
		for i in range(300):
			data = chance.randbytes(PAGE)
			blk.request(1, 8 * (i % 100), data)
			time.sleep(chance.choice((0, 0, 0.0002, 0.001)))
			self.take_away_and_bring_back(blk.client, ram, chance.choice((0, 0, 0.0002, 0.001)))
			blk.wait(0)
			self.assertEqual(ram.get(ram.BASE + 0x9010, 1), b"\0")
			if i % 10 == 0:
				self.assertEqual(blk.ask(0, 8 * (i % 100), into=PAGE, data=0x20000), (0, data))
		self.assertEqual(blk.common(20, 1) & 64, 0)
		self.assertEqual(self.stop()["blk.28.errors"], 0)

	def test_memory__of_the_iommu_away_and_back__while_it_works__loses_nothing(self):
		ram, driver, blk = self.behind_the_iommu()
		chance = random.Random(5)
		out, into = ram.BASE + 0x3000, ram.BASE + 0x3800
		for i in range(300):
			first = i % 2 * PAGE
			body = struct.pack("<BxxxIQQQI", 3, 1, first, first + PAGE - 1, ram.BASE, 3) if i % 4 < 2 else \
				struct.pack("<BxxxIQQ4x", 4, 1, first, first + PAGE - 1)
			ram.put(out, body)
			ram.put(into, b"\xff" * 4)
			blk.request(1, 8, chance.randbytes(PAGE))
			driver.post(0, [(out, len(body), False), (into, 4, True)])
			self.take_away_and_bring_back(driver.client, ram, chance.choice((0, 0, 0.0002, 0.001)))
			driver.wait(0)
			self.assertEqual(ram.get(into, 1), b"\0")
			blk.wait(0)
		self.assertEqual(driver.common(20, 1) & 64, 0)
		self.assertEqual(self.stop()["blk.28.errors"], 0)

	def test_memory__away_for_longer_than_a_moment__is_missed_only_when_asked_for(self):
		ram, driver, blk = self.behind_the_iommu()
		for virtio in (driver, blk):
			self.take_away_and_bring_back(virtio.client, ram, 0.1)
			self.assertEqual(virtio.common(20, 1) & 64, 0)
		self.assertEqual(blk.ask(4)[0], 0)
		self.assertEqual(driver.attach(2, 0x28), 0)

	def test_memory__taken_away_while_data_arrives__has_all_of_it_or_none(self):
		ram, driver, blk = self.behind_the_iommu()
		size, last = 0xc0000, ram.BASE + 0x20000 + 0xc0000 - 8
		self.assertEqual(blk.ask(1, 0, b"x" * size, data=0x20000)[0], 0)
		for _ in range(100):
			ram.put(last, bytes(8))
			blk.request(0, into=size, data=0x20000)
			blk.client.dma_unmap(ram.BASE, RAM_SIZE)
			found = ram.get(last, 8)
			time.sleep(0.001)
			self.assertEqual(ram.get(last, 8), found)
			ram.share(blk.client)
			blk.wait(0)
			self.assertEqual(ram.get(last, 8), b"x" * 8)
		self.assertEqual(driver.common(20, 1) & 64, 0)

	def test_memory__that_is_away__is_not_looked_into(self):
		ram, driver, _ = self.behind_the_iommu()
		extra, before = 1 << 40, driver.used(0)
		driver.client.dma_map(extra, PAGE, ram.fd)
		driver.client.dma_unmap(ram.BASE, RAM_SIZE)
		driver.post(0, [(ram.BASE + 0x3000, 20, False), (ram.BASE + 0x3800, 4, True)], kick=False)
		self.server.process.send_signal(signal.SIGUSR2)
		driver.client.dma_unmap(extra, PAGE)
		time.sleep(0.05)
		self.assertEqual(driver.used(0), before)
		ram.share(driver.client)
		driver.kick(0)
		driver.wait(0)

	def test_memory__away_for_good__is_not_held(self):
		ram, driver, blk = self.behind_the_iommu()
		extra = 1 << 40
		before = self.mapped()
		for client in (driver.client, blk.client):
			client.dma_map(extra, RAM_SIZE, ram.fd)
			client.dma_unmap(extra, RAM_SIZE)
		deadline = time.monotonic() + 10
		while self.mapped() != before:
			self.assertLess(time.monotonic(), deadline)
			time.sleep(0.01)

	def mapped(self):
		"""Bytes of guest memory that the server has mapped."""
		with open("/proc/%d/maps" % self.server.process.pid, encoding="utf-8") as file:
			ranges = [line.split()[0].split("-") for line in file if "memfd:ram" in line]
		return sum(int(end, 16) - int(begin, 16) for begin, end in ranges)

	def test_memory__that_comes_back_in_parts__is_used_when_all_is_there(self):
		first, second, other = (1 << 40, 3 * PAGE), ((1 << 40) + 3 * PAGE, PAGE), (1 << 41, PAGE)
		self.assertEqual(self.mapped_after((first, second, other)), [8, 9, 5])
		self.assertEqual(self.mapped_after((other, first, second)), [6, 9, 5])
		self.assertEqual(self.mapped_after((second, other, first)), [6, 7, 5])

	def mapped_after(self, parts):
		"""Pages that the server has mapped after each part that came back."""
		ram, client = Ram(), Client(self.server.iommu)
		ram.share(client)
		self.addCleanup(client.close)
		for _ in range(10):
			begin = time.monotonic()
			client.dma_map(1 << 40, 4 * PAGE, ram.fd)
			client.dma_map(1 << 41, PAGE, ram.fd)
			client.dma_unmap(1 << 40, 4 * PAGE)
			client.dma_unmap(1 << 41, PAGE)
			after = []
			for address, size in parts:
				client.dma_map(address, size, ram.fd)
				after.append((self.mapped() - RAM_SIZE) // PAGE)
			was_in_time = time.monotonic() - begin < 0.4
			client.dma_unmap(0, 0, flags=2)
			ram.share(client)
			client.read(CONFIG, 0, 4)
			if was_in_time:
				break
		client.close()
		return after

	def test_memory__cut_short_by_its_owner__ends_the_client_alone(self):
		ram, driver, blk = self.behind_the_iommu()
		os.ftruncate(ram.fd, 0)
		blk.client.send(WRITE, struct.pack("<QII", 0x3000, 0, 2) + b"\0\0")
		with self.assertRaises((EOFError, ConnectionError)):
			while True:
				blk.client.receive(1)
		driver.client.close()
		self.test_disk__behind_the_iommu__reads_what_was_written()


class Trace(Case):
	def setUp(self):
		directory = tempfile.TemporaryDirectory()
		self.addCleanup(directory.cleanup)
		self.trace = os.path.join(directory.name, "trace")
		self.options = ("--trace", self.trace)
		super().setUp()

	def test_trace__of_requests_and_a_reset__has_a_line_for_each(self):
		ram, driver, _ = self.behind_the_iommu()
		self.assertEqual(driver.map(1, 0x1000, 0x1fff, ram.BASE, flags=1), 0)
		self.assertEqual(driver.map(1, 0x1000, 0x1fff, ram.BASE), 4)
		self.assertEqual(driver.unmap(1, 0, 0x1fff), 0)
		self.assertEqual(driver.attach(2, 0x28), 0)
		driver.client.ask(RESET)
		self.stop()
		with open(self.trace, encoding="utf-8") as file:
			lines = file.read().splitlines()
		self.assertEqual(lines, ["A 1 28 0", "M 1 7000100000 70001fffff 100000 3",
		                         "M 1 1000 1fff 100000 1", "U 1 0 1fff", "A 2 28 0", "D 2 28"])

	def test_trace__that_cannot_be_written__is_an_error(self):
		folder = os.path.join(os.path.dirname(self.trace), "full")
		os.mkdir(folder)
		server = Server(PROGRAM, folder, ("28",), ("--trace", "/dev/full"))
		server.__enter__()
		iommu, ram = Client(server.iommu), Ram()
		ram.share(iommu)
		self.assertEqual(Iommu(iommu, ram).attach(1, 0x28), 0)
		self.assertRaises(AssertionError, server.__exit__)


class Sabotage(Case):
	options = ("--sabotage",)

	def test_disk__that_takes_the_wrong_bytes__is_noticed(self):
		ram, _, disk = self.both()
		blk = Blk(disk, ram)
		blk.ask(1, 8, os.urandom(PAGE))
		written = ram.get(ram.BASE + 0x10000, PAGE)
		status, read = blk.ask(0, 8, into=PAGE, data=0x20000)
		self.assertEqual(status, 0)
		self.assertNotEqual(read, written)


class InItsThread(Guest):
	options = ("--threads", "0")


class WithoutProbe(Case):
	options = ("--features", "4", "--boot-bypass", "off")

	def test_map__of_all_there_is__is_not_refused(self):
		ram, iommu, _ = self.both()
		driver = Iommu(iommu, ram)
		self.assertEqual(driver.attach(1, 0x28), 0)
		self.assertEqual(driver.map(1, 0, (1 << 64) - 1, 0), 0)


class Many(Case):
	bdfs = ("0", "1", "28", "ffff")

	def test_functions__that_nobody_connects_to__hold_up_nobody(self):
		ram, iommu, disk = Ram(), Client(self.server.iommu), Client(self.server.disks[1])
		ram.share(iommu)
		ram.share(disk)
		driver = Iommu(iommu, ram)
		for bdf in (0, 1, 0x28, 0xffff):
			self.assertEqual(driver.attach(1, bdf), 0)
		self.assertEqual(driver.attach(1, 2), 6)
		self.assertEqual(driver.map(1, ram.BASE + SHIFT, ram.BASE + RAM_SIZE - 1 + SHIFT, ram.BASE), 0)
		self.assertEqual(Blk(disk, ram, SHIFT).ask(4)[0], 0)


class Hostile(Case):
	def good(self, path=None):
		"""The server is there for the next one."""
		client = Client(path or self.server.iommu)
		self.assertEqual(struct.unpack("<H", client.read(CONFIG, 0, 2))[0], 0x1af4)
		client.close()

	def dropped(self, client):
		with self.assertRaises((EOFError, ConnectionError)):
			while True:
				client.receive(1)
		self.good()

	def test_size__too_small_or_too_large__ends_the_connection(self):
		for size in (0, 15, 4096 + 65, 1 << 31, 0xffffffff):
			client = Client(self.server.iommu)
			client.send(DEVICE_INFO, size=size)
			self.dropped(client)
		self.assertGreaterEqual(self.stop()["iommu.refused"], 5)

	def test_reply__in_place_of_a_command__ends_the_connection(self):
		client = Client(self.server.iommu)
		client.send(DEVICE_INFO, struct.pack("<IIII", 16, 0, 0, 0), flags=1)
		self.dropped(client)

	def test_first_message__not_a_good_version__ends_the_connection(self):
		for command, body in ((DEVICE_INFO, struct.pack("<IIII", 16, 0, 0, 0)), (VERSION, b""),
		                      (VERSION, struct.pack("<HH", 1, 0)), (VERSION, struct.pack("<HH", 0, 0) + b"{}")):
			client = Client(self.server.iommu, introduce=False)
			with self.assertRaises(Refused):
				client.ask(command, body)
			self.dropped(client)

	def test_version__again__is_refused(self):
		client = Client(self.server.iommu)
		self.refused(errno.EINVAL, client.ask, VERSION, struct.pack("<HH", 0, 0))
		client.read(CONFIG, 0, 4)

	def test_client__dies_in_the_middle__the_next_one_is_served(self):
		for body in (b"\1", struct.pack("<HHIII", 1, DMA_MAP, 48, 0, 0),
		             struct.pack("<HHIII", 1, WRITE, 34, 0, 0) + b"x" * 9):
			client = Client(self.server.iommu)
			client.socket.sendall(body)
			client.close()
			self.good()

	def test_bodies__of_every_shorter_length__are_refused(self):
		client = Client(self.server.iommu)
		for command, size in ((DMA_MAP, 32), (DMA_UNMAP, 24), (DEVICE_INFO, 16), (REGION_INFO, 32),
		                      (IRQ_INFO, 16), (IRQ_SET, 20), (READ, 16), (WRITE, 17)):
			for length in range(size):
				body = b"\x20" + bytes(length - 1) if length else b""
				self.refused(errno.EINVAL, client.ask, command, body)
		client.read(CONFIG, 0, 4)

	def test_commands__unknown__are_refused(self):
		client = Client(self.server.iommu)
		for command in (0, 6, 11, 12, 14, 15, 16, 17, 18, 0xffff):
			self.refused(errno.ENOTSUP, client.ask, command, bytes(64))

	def test_regions__outside_of_them__are_refused(self):
		client = Client(self.server.iommu)
		for offset, region, count in ((0, 9, 4), (0, 1, 4), (0, 8, 1), (0, 0xffffffff, 4), (256, CONFIG, 1),
		                              (253, CONFIG, 4), (0, 0, 0),
		                              (0x4000, 0, 1), (0x3fff, 0, 2), ((1 << 64) - 1, 0, 2), (1 << 63, 0, 8),
		                              (0, 0, 4097), (0, 0, 0xffffffff)):
			self.refused(errno.EINVAL, client.ask, READ, struct.pack("<QII", offset, region, count))
			self.refused(errno.EINVAL, client.ask, WRITE,
			             struct.pack("<QII", offset, region, count) + bytes(min(count, 8)))
		for count, data in ((4, b""), (4, b"123"), (4, b"12345"), (0xfffffff0, b"1234")):
			self.refused(errno.EINVAL, client.ask, WRITE, struct.pack("<QII", 4, CONFIG, count) + data)
		for index in (9, 0xffffffff):
			body = struct.pack("<IIIIQQ", 32, 0, index, 0, 0, 0)
			self.refused(errno.EINVAL, client.ask, REGION_INFO, body)

	def test_registers__any_bytes_at_any_place__leave_a_server(self):
		client = Client(self.server.iommu)
		chance = random.Random(2)
		for _ in range(3000):
			region, size = chance.choice(((CONFIG, 256), (0, 0x4000), (2, 0x1000)))
			offset = chance.choice((chance.randrange(size), chance.randrange(64)))
			count = min(chance.choice((1, 2, 4, 8, 3, 100)), size - offset)
			client.write(region, offset, chance.randbytes(count))
			client.read(region, offset, count)
		client.close()
		self.good()

	def test_dma_map__that_makes_no_sense__is_refused(self):
		client, ram = Client(self.server.iommu), Ram()
		pipe, other = os.pipe()
		short = os.memfd_create("short")
		os.ftruncate(short, PAGE)
		for what, fd in (((0, 0), ram.fd), ((0, 1), ram.fd), ((1, PAGE), ram.fd),
		                 ((PAGE, (1 << 64) - PAGE), ram.fd),
		                 (((1 << 64) - PAGE, 2 * PAGE), ram.fd), ((0, 2 * PAGE), short), ((0, PAGE), pipe)):
			self.refused(errno.EINVAL, client.dma_map, *what, fd)
		for how in ({"offset": 1}, {"offset": PAGE}, {"offset": 2 * PAGE}, {"offset": 1 << 63},
		            {"offset": (1 << 64) - PAGE}, {"flags": 0}, {"flags": 2}, {"flags": 8},
		            {"flags": 0xffffffff}, {"argsz": 31}):
			self.refused(errno.EINVAL, client.dma_map, 0, PAGE, short, **how)
		for what in ((0, 0), (PAGE, 0), ((1 << 64) - PAGE, 2 * PAGE)):
			self.refused(errno.EINVAL, client.dma_map, *what)
		readonly = os.open("/proc/self/fd/%d" % short, os.O_RDONLY)
		self.refused(errno.EACCES, client.dma_map, 0, PAGE, readonly)
		body = struct.pack("<IIQQQ", 32, 3, 0, 0, PAGE)
		self.refused(errno.EINVAL, client.ask, DMA_MAP, body, (short, short))
		client.dma_map(0, PAGE, short)
		self.refused(errno.EEXIST, client.dma_map, 0, PAGE, short)
		for fd in (pipe, other, short, readonly):
			os.close(fd)

	def test_dma_map__more_than_there_is_room_for__is_refused(self):
		client, ram = Client(self.server.iommu), Ram()
		for i in range(256):
			client.dma_map(2 * i * PAGE, PAGE, ram.fd, flags=1 + 2 * (i & 1))
		self.refused(errno.ENOSPC, client.dma_map, 1 << 40, PAGE, ram.fd)
		client.dma_unmap(0, PAGE)
		client.dma_map(1 << 40, PAGE)
		self.refused(errno.ENOENT, client.dma_unmap, PAGE, PAGE)
		client.dma_unmap(0, 0, flags=2)
		self.refused(errno.ENOENT, client.dma_unmap, 2 * PAGE, PAGE)

	def test_dma_unmap__that_makes_no_sense__is_refused(self):
		client, ram = Client(self.server.iommu), Ram()
		client.dma_map(0x10000, 4 * PAGE, ram.fd)
		for what in ((0x10000, PAGE), (0x11000, 3 * PAGE), (0x10000, 0), (0x10000, (1 << 64) - 1),
		             (0, 0x13000)):
			self.refused(errno.EINVAL, client.dma_unmap, *what)
		self.refused(errno.EINVAL, client.dma_unmap, 0x10000, 4 * PAGE, flags=1)
		self.refused(errno.EINVAL, client.dma_unmap, 0, 0, flags=1)
		self.refused(errno.EINVAL, client.dma_unmap, 0x10000, 4 * PAGE, flags=2)
		self.refused(errno.EINVAL, client.dma_unmap, 0x10000, 4 * PAGE, argsz=23)
		client.dma_unmap(0x10000, 4 * PAGE)

	def test_interrupts__that_there_are_not__are_refused(self):
		client = Client(self.server.iommu)
		event = os.eventfd(0)
		for index, start, count in ((5, 0, 0), (2, 4, 0), (2, 3, 1), (2, 0, 4), (2, 0xffffffff, 2), (0, 1, 1),
		                            (1, 0, 1)):
			self.refused(errno.EINVAL, client.irq_set, index, start, count)
		for flags in (0, 4, 0x20, 0x27, 0x3c, 0x64, 0xffffffff):
			self.refused(errno.EINVAL, client.irq_set, 2, 0, 1, flags=flags)
		self.refused(errno.EINVAL, client.irq_set, 2, 0, 2, fds=(event,))
		self.refused(errno.EINVAL, client.irq_set, 2, 0, 1, fds=(event, event))
		self.refused(errno.EINVAL, client.irq_set, 2, 0, 3, flags=0x22, data=b"\1\1")
		self.refused(errno.ENOTSUP, client.irq_set, 2, 0, 1, flags=9)

	def test_interrupts__set_and_fired__arrive_once_each(self):
		client = Client(self.server.iommu)
		events = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(2)]
		client.irq_set(2, 1, 2, fds=events)
		client.irq_set(2, 0, 3, flags=0x22, data=b"\1\0\1")
		self.assertEqual(os.read(events[1], 8), struct.pack("=Q", 1))
		self.assertRaises(BlockingIOError, os.read, events[0], 8)
		client.irq_set(2, 0, 0, flags=0x21)
		client.irq_set(2, 0, 3, flags=0x21)
		self.assertRaises(BlockingIOError, os.read, events[0], 8)

	def test_questions__too_short_or_about_what_there_is_not__are_refused(self):
		client = Client(self.server.iommu)
		for command, body in ((DEVICE_INFO, (15, 0, 0, 0)), (REGION_INFO, (31, 0, 0, 0, 0, 0, 0, 0)),
		                      (IRQ_INFO, (15, 0, 0, 0)), (IRQ_INFO, (16, 0, 5, 0)),
		                      (IRQ_SET, (19, 0x21, 2, 0, 0))):
			self.refused(errno.EINVAL, client.ask, command, struct.pack("<%dI" % len(body), *body))

	def test_configuration__read_in_any_pieces__is_the_same(self):
		client = Client(self.server.iommu)
		whole = client.read(CONFIG, 0, 256)
		for offset in range(16):
			for count in range(1, 16):
				self.assertEqual(client.read(CONFIG, offset, count), whole[offset:offset + count])

	def open_files(self):
		return len(os.listdir("/proc/%d/fd" % self.server.process.pid))

	def test_interrupts__set_again_or_left_behind__leave_nothing_open(self):
		client = Client(self.server.iommu)
		before, events = self.open_files(), [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(3)]
		for _ in range(10):
			client.irq_set(2, 0, 3, fds=events)
			client.irq_set(0, 0, 1, fds=events[:1])
		self.assertEqual(self.open_files(), before + 4)
		client.close()
		client = Client(self.server.iommu)
		self.assertEqual(self.open_files(), before)
		client.close()

	def test_interrupt__that_nobody_takes__holds_up_nobody(self):
		client, event = Client(self.server.iommu), os.eventfd(0)
		os.write(event, struct.pack("=Q", (1 << 64) - 2))
		client.irq_set(2, 0, 1, fds=(event,))
		client.irq_set(2, 0, 1, flags=0x21)
		client.read(CONFIG, 0, 4)

	def test_descriptors__with_messages_that_want_none__do_not_pile_up(self):
		client = Client(self.server.iommu)
		folder = "/proc/%d/fd" % self.server.process.pid
		before = len(os.listdir(folder))
		for _ in range(200):
			client.ask(DEVICE_INFO, struct.pack("<IIII", 16, 0, 0, 0), (0,) * 8)
		client.read(CONFIG, 0, 2)  # what came before it is over
		self.assertEqual(len(os.listdir(folder)), before)
		client.send(DEVICE_INFO, struct.pack("<IIII", 16, 0, 0, 0), (0,) * 9)
		self.dropped(client)
		self.assertLessEqual(len(os.listdir(folder)), before)

	def test_messages__random_bytes__leave_a_server(self):
		chance = random.Random(3)
		for _ in range(100):
			client = Client(self.server.iommu)
			try:
				for _ in range(20):
					body = chance.randbytes(chance.choice((0, 4, 16, 20, 24, 32, 40)))
					command = chance.choice((*range(1, 18), 0x1234))
					flags = chance.choice((0, 0x10))
					client.send(command, body, flags=flags, fds=(0,) * chance.choice((0, 0, 1, 3)))
			except (BrokenPipeError, ConnectionError):
				pass
			client.close()
		self.good()

	def test_no_reply__gets_none(self):
		client = Client(self.server.iommu)
		client.send(WRITE, struct.pack("<QII", 4, CONFIG, 2) + b"\6\0", flags=0x10)
		client.send(0xffff, flags=0x10)
		self.assertEqual(client.read(CONFIG, 4, 2), b"\6\0")

	def test_second_client__waits_for_the_first_one(self):
		first = Client(self.server.disks[0])
		second = Client(self.server.disks[0], introduce=False)
		second.send(VERSION, struct.pack("<HH", 0, 0))
		first.write(CONFIG, 4, b"\7\0")
		first.close()
		self.assertEqual(len(second.receive(16)), 16)


class Options(unittest.TestCase):
	def run_with(self, *arguments):
		return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=30)

	def test_options__that_make_no_sense__are_refused(self):
		for arguments in ((), ("a", "b"), ("a", "b", "x"), ("a", "b", "10000"), ("--features", "80", "a"),
		                  ("--features", "8", "a"), ("--boot-bypass", "maybe", "a"),
		                  ("--input-range", "5", "a"), ("--input-range", "5-4", "a"),
		                  ("--page-size-mask", "0", "a"),
		                  ("--domain-range", "0-4294967296", "a"), ("--threads", "17", "a"),
		                  ("--threads", "-1", "a"),
		                  ("--disk", "x", "a"), ("--what",)):
			result = self.run_with(*arguments)
			self.assertEqual((result.returncode, result.stdout), (2, ""), arguments)
			self.assertTrue(result.stderr)

	def test_help__lists_the_options(self):
		result = self.run_with("--help")
		self.assertEqual(result.returncode, 0)
		self.assertIn("--disk FILE", result.stdout)


if __name__ == "__main__":
	PROGRAM = os.path.abspath(sys.argv.pop(1))
	unittest.main(warnings="ignore")
