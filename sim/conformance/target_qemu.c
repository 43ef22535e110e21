/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * target_qemu.c: the virtio-iommu of QEMU, through its qtest socket: no guest runs, and registers are reached by
 * commands in text, one line each. Guest memory is a file that both processes map, so rings and requests are plain
 * memory. Endpoints are two "edu" devices, which have a DMA engine that takes 0.1 s for each transfer.
 *
 * The virtual processor executes a page of halt instructions; the functions are found and given addresses by the
 * library's own code for firmware. Whatever QEMU does not answer in time is gone, and QEMU is killed.
 */
#define _GNU_SOURCE /* memfd_create */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "session.h"
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#define RAM_SIZE 0x2000000u
#define MEMORY_AT 0x1000000u
#define BIOS_SIZE 0x10000u
#define ANSWER_MS 5000 /* QEMU may take so long for a command */
#define START_MS 20000
#define FAILURES 2u /* to start it, and nobody tries again */
#define PATIENCE 40u
#define IOMMU_AT 0x20u /* 00:04.0; the engines are 00:05.0 and 00:06.0 */
#define EDU_BUFFER 0x40000u

struct qemu_target {
	struct conf_target target;
	const char *program;
	char folder[64];
	pid_t pid;         /* 0: none */
	uint32_t failures; /* to start it, in a row */
	int fd;            /* of the socket; -1: none */
	char line[256];
	size_t line_len;
	uint8_t *ram;
	int ram_fd;
	struct viommu_pci_window window;
	struct viommu_pci_driver driver;
	struct viommu_pci_driver_queue queues[VIOMMU_QUEUE_COUNT];
	uint64_t edu[CONF_ENDPOINTS];
};

/* The process */

static void stop(struct qemu_target *t)
{
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
	if (t->pid > 0) {
		kill(t->pid, SIGKILL);
		(void)waitpid(t->pid, NULL, 0);
	}
	t->pid = 0;
}

static void lose(struct qemu_target *t, const char *why)
{
	if (t->fd < 0)
		return;
	t->target.why = why;
	stop(t);
}

/* A command and its answer, in t->line. False: QEMU is gone. */
static bool command(struct qemu_target *t, const char *text)
{
	size_t len = strlen(text);
	char *end;

	if (t->fd < 0)
		return false;
	if (send(t->fd, text, len, MSG_NOSIGNAL) != (ssize_t)len) {
		lose(t, "QEMU has ended");
		return false;
	}
	for (t->line_len = 0;;) {
		struct pollfd wait = { .fd = t->fd, .events = POLLIN };
		ssize_t got = poll(&wait, 1, ANSWER_MS);

		if (got == 0) {
			lose(t, "QEMU does not answer any more");
			return false;
		}
		got = recv(t->fd, t->line + t->line_len, sizeof(t->line) - 1 - t->line_len, 0);
		if (got <= 0) {
			lose(t, "QEMU has ended");
			return false;
		}
		t->line_len += (size_t)got;
		t->line[t->line_len] = 0;
		/* "IRQ ..." is none of the answer. */
		while ((end = strchr(t->line, '\n')) != NULL) {
			if (strncmp(t->line, "OK", 2) == 0)
				return true;
			t->line_len -= (size_t)(end + 1 - t->line);
			memmove(t->line, end + 1, t->line_len + 1);
		}
		if (t->line_len + 1 >= sizeof(t->line)) {
			lose(t, "QEMU says what nobody understands");
			return false;
		}
	}
}

static uint64_t ask_number(struct qemu_target *t, const char *what, uint64_t address)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "%s 0x%llx\n", what, (unsigned long long)address);
	return command(t, text) && t->line_len > 3 ? strtoull(t->line + 3, NULL, 0) : UINT64_MAX;
}

static void tell_number(struct qemu_target *t, const char *what, uint64_t address, uint64_t value)
{
	char text[96];

	(void)snprintf(text, sizeof(text), "%s 0x%llx 0x%llx\n", what, (unsigned long long)address,
		       (unsigned long long)value);
	(void)command(t, text);
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

static const struct viommu_pci_accessors accessors = {
	.size = sizeof(struct viommu_pci_accessors),
	.config_read = qemu_config_read,
	.config_write = qemu_config_write,
	.bar_read = qemu_bar_read,
	.bar_write = qemu_bar_write,
};

static enum viommu_result place(struct qemu_target *t, uint32_t function, struct viommu_pci_bar *bars)
{
	enum viommu_result r = viommu_pci_read_bars(&accessors, t, function, bars);

	if (r == VIOMMU_OK)
		r = viommu_pci_place_bars(&accessors, t, function, bars, &t->window, 1);
	return r == VIOMMU_OK ? viommu_pci_enable(&accessors, t, function, false) : r;
}

static bool bring_up(struct qemu_target *t)
{
	struct viommu_pci_driver_config config = VIOMMU_PCI_DRIVER_CONFIG_INIT;
	struct viommu_pci_bar bars[VIOMMU_PCI_BARS];

	t->window = (struct viommu_pci_window){ 0xe0000000, 0xefffffff, false };
	for (uint32_t i = 0; i < CONF_ENDPOINTS; i++) {
		uint32_t function = t->target.endpoints[i];

		if (place(t, function, bars) != VIOMMU_OK)
			return false;
		t->edu[i] = bars[0].address;
		qemu_config_write(t, function, 4, qemu_config_read(t, function, 4) | 4); /* bus master */
	}
	if (viommu_pci_find(&accessors, t, 0, 0xff, VIOMMU_DEVICE_ID, &config.function) != VIOMMU_OK ||
	    config.function != IOMMU_AT || place(t, config.function, bars) != VIOMMU_OK)
		return false;
	config.bars = bars;
	config.queues = t->queues;
	config.queue_count = VIOMMU_QUEUE_COUNT;
	config.accessors = &accessors;
	config.ctx = t;
	return viommu_pci_driver_init(&t->driver, &config) == VIOMMU_OK;
}

/* In the child. */
static void execute(const struct qemu_target *t)
{
	char backend[160], bios[96], qtest[96];
	const char *argv[] = { t->program,
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
			       "virtio-iommu-pci,addr=04.0",
			       "-device",
			       "edu,addr=05.0,dma_mask=0xffffffffffffffff",
			       "-device",
			       "edu,addr=06.0,dma_mask=0xffffffffffffffff",
			       NULL };
	int null = open("/dev/null", O_RDWR);

	(void)snprintf(backend, sizeof(backend), "memory-backend-file,id=m,size=32M,share=on,mem-path=/proc/%d/fd/%d",
		       (int)getppid(), t->ram_fd);
	(void)snprintf(bios, sizeof(bios), "%s/bios", t->folder);
	(void)snprintf(qtest, sizeof(qtest), "unix:%s/qtest", t->folder);
	(void)dup2(null, 0);
	(void)dup2(null, 1);
	(void)dup2(null, 2);
	(void)execvp(t->program, (char *const *)(uintptr_t)argv);
	_exit(127);
}

static bool start(struct qemu_target *t)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct pollfd wait = { .events = POLLIN };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/qtest", t->folder);
	(void)unlink(address.sun_path);
	wait.fd = listener;
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(listener, 1) != 0)
		return false;
	t->pid = fork();
	if (t->pid == 0)
		execute(t);
	for (int ms = 0; ms < START_MS && t->fd < 0 && t->pid > 0; ms += 100) {
		if (poll(&wait, 1, 100) == 1)
			t->fd = accept(listener, NULL, NULL);
		else if (waitpid(t->pid, NULL, WNOHANG) == t->pid)
			t->pid = 0;
	}
	close(listener);
	return t->fd >= 0;
}

/* The target */

static bool qemu_renew(void *ctx, uint64_t features)
{
	struct qemu_target *t = ctx;

	(void)features;
	stop(t);
	if (t->failures == FAILURES)
		return false;
	memset(t->ram, 0, RAM_SIZE);
	if (start(t) && bring_up(t)) {
		t->failures = 0;
		return true;
	}
	stop(t);
	t->failures++;
	return false;
}

static bool qemu_run(void *ctx)
{
	struct qemu_target *t = ctx;

	/* A command: between two of them QEMU does what it has to. */
	(void)qemu_config_read(t, IOMMU_AT, 0);
	return t->fd >= 0;
}

static uint8_t qemu_notifications(void *ctx)
{
	struct qemu_target *t = ctx;

	return viommu_pci_driver_interrupt(&t->driver);
}

static void pause_ms(long ms)
{
	struct timespec time = { .tv_nsec = ms * 1000000 };

	(void)nanosleep(&time, NULL);
}

static void qemu_dma(void *ctx, uint32_t index, bool write, uint64_t iova, uint32_t len)
{
	struct qemu_target *t = ctx;

	tell_number(t, "writeq", t->edu[index] + 0x80, write ? EDU_BUFFER : iova);
	tell_number(t, "writeq", t->edu[index] + 0x88, write ? iova : EDU_BUFFER);
	tell_number(t, "writeq", t->edu[index] + 0x90, len);
	tell_number(t, "writeq", t->edu[index] + 0x98, write ? 3 : 1);
	for (int i = 0; i < 400 && (ask_number(t, "readq", t->edu[index] + 0x98) & 1) != 0 && t->fd >= 0; i++)
		pause_ms(5);
}

static bool qemu_system_reset(void *ctx)
{
	struct qemu_target *t = ctx;

	tell_number(t, "outb", 0xcf9, 6);
	pause_ms(100);
	return bring_up(t);
}

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

static void read_version(struct qemu_target *t)
{
	char shell[256];
	FILE *pipe;

	(void)snprintf(shell, sizeof(shell), "'%s' --version 2>/dev/null", t->program);
	pipe = popen(shell, "r");
	if (pipe == NULL)
		return;
	if (fgets(t->target.version, sizeof(t->target.version), pipe) != NULL)
		t->target.version[strcspn(t->target.version, "\n\"\\")] = 0;
	(void)pclose(pipe);
}

static struct qemu_target *at_exit; /* atexit knows no context */

static void clean_up(void)
{
	char path[96];

	stop(at_exit);
	(void)snprintf(path, sizeof(path), "%s/bios", at_exit->folder);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/qtest", at_exit->folder);
	(void)unlink(path);
	(void)rmdir(at_exit->folder);
}

struct conf_target *conf_target_qemu(const char *program)
{
	struct qemu_target *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->program = program;
	t->fd = -1;
	read_version(t);
	(void)snprintf(t->folder, sizeof(t->folder), "/tmp/viommu-qtest-XXXXXX");
	t->ram_fd = memfd_create("viommu-guest", MFD_CLOEXEC);
	if (t->target.version[0] == 0 || t->ram_fd < 0 || ftruncate(t->ram_fd, RAM_SIZE) != 0 ||
	    mkdtemp(t->folder) == NULL)
		return NULL;
	at_exit = t;
	(void)atexit(clean_up);
	t->ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, t->ram_fd, 0);
	if (t->ram == MAP_FAILED || !write_bios(t->folder))
		return NULL;
	t->target.registers = &viommu_pci_driver_ops;
	t->target.registers_ctx = &t->driver;
	t->target.memory = t->ram + MEMORY_AT;
	t->target.memory_addr = MEMORY_AT;
	t->target.endpoints[0] = 0x28;
	t->target.endpoints[1] = 0x30;
	t->target.endpoint_count = 2;
	t->target.unknown_endpoint = 0x777;
	t->target.patience = PATIENCE;
	t->target.ctx = t;
	t->target.run = qemu_run;
	t->target.notifications = qemu_notifications;
	t->target.dma = qemu_dma;
	t->target.system_reset = qemu_system_reset;
	t->target.renew = qemu_renew;
	return &t->target;
}
