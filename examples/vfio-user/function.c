/* SPDX-License-Identifier: BSD-3-Clause */
/* function.c: the loop of a function's thread. */
#define _GNU_SOURCE
#include "function.h"

#include "protocol.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Memory that is taken away and not brought back (memory.h): it is over when the client asks for something else, or for
 * nothing for so long.
 */
#define FLUX_MS 500

/* The PCI function's side */

static void msi(void *ctx, uint64_t address, uint32_t data)
{
	struct function *f = ctx;

	(void)address;
	irq_message(&f->irqs, data);
}

static void set_line(void *ctx, bool high)
{
	struct function *f = ctx;

	irq_line(&f->irqs, high);
}

static void notify(void *ctx, uint32_t queue, uint32_t value)
{
	struct function *f = ctx;

	(void)queue;
	(void)value;
	f->has_work = true; /* the loop comes to it after this message */
}

static const struct viommu_pci_ops pci_ops = {
	.size = sizeof(struct viommu_pci_ops),
	.msi = msi,
	.set_line = set_line,
	.notify = notify,
};

static void memory_has_changed(void *ctx)
{
	struct function *f = ctx;

	f->ops->memory_changed(f);
}

bool function_listen(struct function *f, const char *name, const char *path, const struct function_ops *ops)
{
	memset(f, 0, sizeof *f);
	f->name = name;
	f->ops = ops;
	f->channel.socket = -1;
	pthread_mutex_init(&f->call_lock, NULL);
	pthread_cond_init(&f->call_over, NULL);
	memory_init(&f->memory, memory_has_changed, f);
	f->listener = channel_listen(path);
	if (f->listener < 0)
		return false;
	f->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return f->wake >= 0;
}

enum viommu_result function_init_pci(struct function *f, struct viommu_pci_config *config,
				     struct viommu_registers *registers, uint32_t queue_count)
{
	config->registers = registers;
	config->queues = f->queues;
	config->vectors = f->vectors;
	config->vector_count = 1 + queue_count;
	config->ops = &pci_ops;
	config->ops_ctx = f;
	if (f->irqs.pci == NULL)
		irq_init(&f->irqs, &f->pci, config->vector_count);
	return viommu_pci_init(&f->pci, config);
}

void function_wake(struct function *f)
{
	static const uint64_t one = 1;

	(void)!write(f->wake, &one, sizeof one);
}

void function_call(struct function *f, void (*call)(void *ctx), void *ctx)
{
	pthread_mutex_lock(&f->call_lock);
	f->call = call;
	f->call_ctx = ctx;
	function_wake(f);
	while (f->call != NULL)
		pthread_cond_wait(&f->call_over, &f->call_lock);
	pthread_mutex_unlock(&f->call_lock);
}

static void answer_call(struct function *f)
{
	pthread_mutex_lock(&f->call_lock);
	if (f->call != NULL) {
		f->call(f->call_ctx);
		f->call = NULL;
		pthread_cond_signal(&f->call_over);
	}
	pthread_mutex_unlock(&f->call_lock);
}

void function_reset(struct function *f)
{
	f->ops->reset(f);
	viommu_pci_reset(&f->pci);
	irq_refill(&f->irqs);
}

/* A client comes and goes */

static void welcome(struct function *f)
{
	int socket = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);

	if (socket < 0)
		return;
	channel_open(&f->channel, socket);
	f->has_version = false;
	f->clients++;
}

/* Nothing of it stays: the device is as after power-on, and its memory is not used any more. */
static void farewell(struct function *f)
{
	channel_close(&f->channel);
	irq_drop(&f->irqs);
	memory_apply(&f->memory);
	function_reset(f);
	memory_unmap_all(&f->memory);
	memory_apply(&f->memory);
	f->has_work = false;
}

/* Messages that are there already, but not for ever. */
static bool serve_client(struct function *f)
{
	for (int i = 0; i < 64; i++) {
		switch (channel_receive(&f->channel)) {
		case CHANNEL_WAIT:
			return true;
		case CHANNEL_CLOSED:
			if (f->channel.have != 0)
				f->refused++; /* in the middle of a message, or no message at all */
			return false;
		case CHANNEL_MESSAGE:
			if (!protocol_handle(f))
				return false;
			channel_next(&f->channel);
			f->flux_until = channel_now() + FLUX_MS;
			break;
		}
	}
	return true;
}

static void work(struct function *f)
{
	if (memory_is_in_flux(&f->memory))
		return;
	answer_call(f);
	if (f->ops->collect != NULL)
		f->ops->collect(f);
	if (f->has_work)
		f->has_work = viommu_pci_is_bus_master(&f->pci) && f->ops->work(f);
}

/* How long to wait for what comes next, in milliseconds. */
static int patience(const struct function *f)
{
	int64_t left = f->flux_until - channel_now();

	if (memory_is_in_flux(&f->memory))
		return left > 0 ? (int)left : 0;
	return f->has_work ? 0 : -1;
}

static void *run(void *arg)
{
	struct function *f = arg;
	uint64_t count;

	while (!__atomic_load_n(&f->is_stopping, __ATOMIC_ACQUIRE)) {
		bool connected = f->channel.socket >= 0;
		struct pollfd fds[2] = {
			{ .fd = f->wake, .events = POLLIN },
			{ .fd = connected ? f->channel.socket : f->listener, .events = POLLIN },
		};

		if (poll(fds, 2, patience(f)) < 0 && errno != EINTR)
			break;
		if (channel_now() >= f->flux_until)
			memory_apply(&f->memory);
		if (fds[0].revents != 0) {
			(void)!read(f->wake, &count, sizeof count);
			f->has_work = true;
		}
		if (fds[1].revents != 0 && !connected)
			welcome(f);
		else if (fds[1].revents != 0 && !serve_client(f))
			farewell(f);
		work(f);
		if (memory_is_damaged(&f->memory)) {
			fprintf(stderr, "%s: the client cut its memory short\n", f->name);
			f->refused++;
			farewell(f);
		}
	}
	farewell(f);
	close(f->listener);
	return NULL;
}

bool function_start(struct function *f)
{
	return pthread_create(&f->thread, NULL, run, f) == 0;
}

void function_stop(struct function *f)
{
	__atomic_store_n(&f->is_stopping, true, __ATOMIC_RELEASE);
	function_wake(f);
	pthread_join(f->thread, NULL);
	close(f->wake);
}
