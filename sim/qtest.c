/* SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE /* memfd_create */
#include "qtest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <viommu/wire.h>

#define BIOS_SIZE 0x10000u
#define ANSWER_MS 5000 /* QEMU may take so long for a command */
#define START_MS 20000
#define EDU_BUFFER 0x40000u

/* The process */

void sim_qtest_stop(struct sim_qtest *q)
{
	if (q->fd >= 0)
		close(q->fd);
	q->fd = -1;
	if (q->pid > 0) {
		kill(q->pid, SIGKILL);
		(void)waitpid(q->pid, NULL, 0);
	}
	q->pid = 0;
}

static void lose(struct sim_qtest *q, const char *why)
{
	if (q->fd < 0)
		return;
	q->why = why;
	sim_qtest_stop(q);
}

/* A command and its answer, in q->line. False: QEMU is gone. */
static bool command(struct sim_qtest *q, const char *text)
{
	size_t len = strlen(text);
	char *end;

	if (q->fd < 0)
		return false;
	if (send(q->fd, text, len, MSG_NOSIGNAL) != (ssize_t)len) {
		lose(q, "QEMU has ended");
		return false;
	}
	for (q->line_len = 0;;) {
		struct pollfd wait = { .fd = q->fd, .events = POLLIN };
		ssize_t got = poll(&wait, 1, ANSWER_MS);

		if (got == 0) {
			lose(q, "QEMU does not answer any more");
			return false;
		}
		got = recv(q->fd, q->line + q->line_len, sizeof(q->line) - 1 - q->line_len, 0);
		if (got <= 0) {
			lose(q, "QEMU has ended");
			return false;
		}
		q->line_len += (size_t)got;
		q->line[q->line_len] = 0;
		/* "IRQ ..." is none of the answer. */
		while ((end = strchr(q->line, '\n')) != NULL) {
			if (strncmp(q->line, "OK", 2) == 0)
				return true;
			q->line_len -= (size_t)(end + 1 - q->line);
			memmove(q->line, end + 1, q->line_len + 1);
		}
		if (q->line_len + 1 >= sizeof(q->line)) {
			lose(q, "QEMU says what nobody understands");
			return false;
		}
	}
}

static uint64_t ask_number(struct sim_qtest *q, const char *what, uint64_t address)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "%s 0x%llx\n", what, (unsigned long long)address);
	return command(q, text) && q->line_len > 3 ? strtoull(q->line + 3, NULL, 0) : UINT64_MAX;
}

static void tell_number(struct sim_qtest *q, const char *what, uint64_t address, uint64_t value)
{
	char text[96];

	(void)snprintf(text, sizeof(text), "%s 0x%llx 0x%llx\n", what, (unsigned long long)address,
		       (unsigned long long)value);
	(void)command(q, text);
}

/* The bus, for the library */

static uint32_t qemu_config_read(void *ctx, uint32_t function, uint32_t offset)
{
	tell_number(ctx, "outl", 0xcf8, 0x80000000u | function << 8 | offset);
	return (uint32_t)ask_number(ctx, "inl", 0xcfc);
}

static void qemu_config_write(void *ctx, uint32_t function, uint32_t offset, uint32_t value)
{
	tell_number(ctx, "outl", 0xcf8, 0x80000000u | function << 8 | offset);
	tell_number(ctx, "outl", 0xcfc, value);
}

static const char *const reads[] = { [1] = "readb", [2] = "readw", [4] = "readl" };
static const char *const writes[] = { [1] = "writeb", [2] = "writew", [4] = "writel" };

static uint32_t qemu_bar_read(void *ctx, const struct viommu_pci_bar *bar, uint32_t offset, uint32_t width)
{
	return (uint32_t)ask_number(ctx, reads[width], bar->address + offset) & UINT32_MAX >> (32 - 8 * width);
}

static void qemu_bar_write(void *ctx, const struct viommu_pci_bar *bar, uint32_t offset, uint32_t width, uint32_t value)
{
	tell_number(ctx, writes[width], bar->address + offset, value);
}

const struct viommu_pci_accessors sim_qtest_accessors = {
	.size = sizeof(struct viommu_pci_accessors),
	.config_read = qemu_config_read,
	.config_write = qemu_config_write,
	.bar_read = qemu_bar_read,
	.bar_write = qemu_bar_write,
};

enum viommu_result sim_qtest_place(struct sim_qtest *q, uint32_t function, struct viommu_pci_bar bars[VIOMMU_PCI_BARS])
{
	enum viommu_result r = viommu_pci_read_bars(&sim_qtest_accessors, q, function, bars);

	if (r == VIOMMU_OK)
		r = viommu_pci_place_bars(&sim_qtest_accessors, q, function, bars, &q->window, 1);
	if (r == VIOMMU_OK)
		r = viommu_pci_enable(&sim_qtest_accessors, q, function, false);
	if (r == VIOMMU_OK) /* bus master */
		qemu_config_write(q, function, 4, qemu_config_read(q, function, 4) | 4);
	return r;
}

enum viommu_result sim_qtest_find_iommu(struct sim_qtest *q, struct sim_qtest_iommu *iommu)
{
	struct viommu_pci_driver_config config = VIOMMU_PCI_DRIVER_CONFIG_INIT;
	struct viommu_pci_bar bars[VIOMMU_PCI_BARS];
	enum viommu_result r = viommu_pci_find(&sim_qtest_accessors, q, 0, 0xff, VIOMMU_DEVICE_ID, &config.function);

	if (r == VIOMMU_OK && config.function != SIM_QTEST_IOMMU)
		r = VIOMMU_E_NOENT;
	if (r == VIOMMU_OK)
		r = sim_qtest_place(q, config.function, bars);
	if (r != VIOMMU_OK)
		return r;
	config.bars = bars;
	config.queues = iommu->queues;
	config.queue_count = VIOMMU_QUEUE_COUNT;
	config.accessors = &sim_qtest_accessors;
	config.ctx = q;
	return viommu_pci_driver_init(&iommu->driver, &config);
}

/* Starting */

/* In the child. */
static void execute(const struct sim_qtest *q, const char *const *arguments)
{
	char backend[160], bios[96], qtest[96];
	const char *argv[22 + SIM_QTEST_ARGUMENTS] = { q->program,
						       "-M",
						       "q35,memory-backend=m",
						       "-m",
						       "32M",
						       "-object",
						       backend,
						       "-accel",
						       "tcg",
						       "-bios",
						       bios,
						       "-qtest",
						       qtest,
						       "-qtest-log",
						       "none",
						       "-nodefaults",
						       "-display",
						       "none",
						       "-device",
						       "virtio-iommu-pci,addr=04.0" };
	size_t count = 20;
	int null = open("/dev/null", O_RDWR);

	for (size_t i = 0; i < SIM_QTEST_ARGUMENTS && arguments[i] != NULL; i++)
		argv[count++] = arguments[i];
	(void)snprintf(backend, sizeof(backend), "memory-backend-file,id=m,size=32M,share=on,mem-path=/proc/%d/fd/%d",
		       (int)getppid(), q->ram_fd);
	(void)snprintf(bios, sizeof(bios), "%s/bios", q->folder);
	(void)snprintf(qtest, sizeof(qtest), "unix:%s/qtest", q->folder);
	(void)dup2(null, 0);
	(void)dup2(null, 1);
	(void)dup2(null, 2);
	(void)execvp(q->program, (char *const *)(uintptr_t)argv);
	_exit(127);
}

bool sim_qtest_start(struct sim_qtest *q, const char *const *arguments)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct pollfd wait = { .events = POLLIN };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sim_qtest_stop(q);
	q->why = NULL;
	q->window = (struct viommu_pci_window){ 0xe0000000, 0xefffffff, false };
	memset(q->ram, 0, SIM_QTEST_RAM);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/qtest", q->folder);
	(void)unlink(address.sun_path);
	wait.fd = listener;
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(listener, 1) != 0)
		return false;
	q->pid = fork();
	if (q->pid == 0)
		execute(q, arguments);
	for (int ms = 0; ms < START_MS && q->fd < 0 && q->pid > 0; ms += 100) {
		if (poll(&wait, 1, 100) == 1)
			q->fd = accept(listener, NULL, NULL);
		else if (waitpid(q->pid, NULL, WNOHANG) == q->pid)
			q->pid = 0;
	}
	close(listener);
	if (q->fd < 0)
		sim_qtest_stop(q);
	return q->fd >= 0;
}

bool sim_qtest_is_alive(const struct sim_qtest *q)
{
	return q->fd >= 0;
}

bool sim_qtest_run(struct sim_qtest *q)
{
	(void)qemu_config_read(q, SIM_QTEST_IOMMU, 0);
	return sim_qtest_is_alive(q);
}

static void pause_ms(long ms)
{
	struct timespec time = { .tv_nsec = ms * 1000000 };

	(void)nanosleep(&time, NULL);
}

void sim_qtest_system_reset(struct sim_qtest *q)
{
	tell_number(q, "outb", 0xcf9, 6);
	pause_ms(100);
	q->window = (struct viommu_pci_window){ 0xe0000000, 0xefffffff, false };
}

/* edu */

static bool transfer(struct sim_qtest *q, uint64_t edu, uint64_t from, uint64_t to, uint32_t len, uint64_t command)
{
	tell_number(q, "writeq", edu + 0x80, from);
	tell_number(q, "writeq", edu + 0x88, to);
	tell_number(q, "writeq", edu + 0x90, len);
	tell_number(q, "writeq", edu + 0x98, command);
	for (int i = 0; i < 400 && sim_qtest_is_alive(q); i++) {
		if ((ask_number(q, "readq", edu + 0x98) & 1) == 0)
			return true;
		pause_ms(5);
	}
	return false;
}

bool sim_qtest_edu_load(struct sim_qtest *q, uint64_t edu, uint64_t iova, uint32_t len)
{
	return transfer(q, edu, iova, EDU_BUFFER, len, 1);
}

bool sim_qtest_edu_save(struct sim_qtest *q, uint64_t edu, uint64_t iova, uint32_t len)
{
	return transfer(q, edu, EDU_BUFFER, iova, len, 3);
}

/* Making */

static bool write_bios(const char *folder)
{
	static uint8_t halts[BIOS_SIZE];
	char path[96];
	FILE *file;
	size_t written;

	memset(halts, 0xf4, sizeof(halts));
	memcpy(halts + BIOS_SIZE - 16, "\xfa\xf4\xeb\xfd", 4); /* cli; hlt; again */
	(void)snprintf(path, sizeof(path), "%s/bios", folder);
	file = fopen(path, "wb");
	if (file == NULL)
		return false;
	written = fwrite(halts, 1, sizeof(halts), file);
	return fclose(file) == 0 && written == sizeof(halts);
}

static void read_version(struct sim_qtest *q)
{
	char shell[256];
	FILE *pipe;

	(void)snprintf(shell, sizeof(shell), "'%s' --version 2>/dev/null", q->program);
	pipe = popen(shell, "r");
	if (pipe == NULL)
		return;
	if (fgets(q->version, sizeof(q->version), pipe) != NULL)
		q->version[strcspn(q->version, "\n\"\\")] = 0;
	(void)pclose(pipe);
}

static struct sim_qtest *at_exit; /* atexit knows no context */

static void clean_up(void)
{
	if (at_exit != NULL)
		sim_qtest_deinit(at_exit);
}

bool sim_qtest_init(struct sim_qtest *q, const char *program)
{
	static bool is_registered;

	memset(q, 0, sizeof(*q));
	q->program = program;
	q->fd = -1;
	read_version(q);
	(void)snprintf(q->folder, sizeof(q->folder), "/tmp/viommu-qtest-XXXXXX");
	q->ram_fd = memfd_create("viommu-guest", MFD_CLOEXEC);
	if (q->version[0] == 0 || q->ram_fd < 0 || ftruncate(q->ram_fd, SIM_QTEST_RAM) != 0 ||
	    mkdtemp(q->folder) == NULL)
		return false;
	at_exit = q;
	if (!is_registered)
		(void)atexit(clean_up);
	is_registered = true;
	q->ram = mmap(NULL, SIM_QTEST_RAM, PROT_READ | PROT_WRITE, MAP_SHARED, q->ram_fd, 0);
	return q->ram != MAP_FAILED && write_bios(q->folder);
}

void sim_qtest_deinit(struct sim_qtest *q)
{
	char path[96];

	sim_qtest_stop(q);
	(void)snprintf(path, sizeof(path), "%s/bios", q->folder);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/qtest", q->folder);
	(void)unlink(path);
	(void)rmdir(q->folder);
	if (q->ram != NULL && q->ram != MAP_FAILED)
		(void)munmap(q->ram, SIM_QTEST_RAM);
	close(q->ram_fd);
	at_exit = NULL;
}
