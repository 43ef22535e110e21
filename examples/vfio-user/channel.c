/* SPDX-License-Identifier: BSD-3-Clause */
/* channel.c: messages and file descriptors over a Unix socket. */
#define _GNU_SOURCE
#include "channel.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SEND_TIMEOUT_MS 5000 /* for a whole answer, however slowly it is read */

int64_t channel_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Does nobody listen there any more? Only then may the socket be removed. */
static bool is_left_over(const struct sockaddr_un *address)
{
	struct stat st;
	int probe;
	bool refused;

	if (lstat(address->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
		return false;
	probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	refused = probe >= 0 && connect(probe, (const struct sockaddr *)address, sizeof *address) != 0 &&
		  errno == ECONNREFUSED;
	if (probe >= 0)
		close(probe);
	return refused;
}

int channel_listen(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof address.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (is_left_over(&address))
		unlink(path);
	if (bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 4) == 0)
		return fd;
	close(fd);
	return -1;
}

void channel_open(struct channel *channel, int socket)
{
	channel->socket = socket;
	channel->have = 0;
	channel->fd_count = 0;
}

static void close_fds(struct channel *channel)
{
	for (unsigned i = 0; i < channel->fd_count; i++) {
		if (channel->fds[i] >= 0)
			close(channel->fds[i]);
	}
	channel->fd_count = 0;
}

void channel_close(struct channel *channel)
{
	close_fds(channel);
	if (channel->socket >= 0)
		close(channel->socket);
	channel->socket = -1;
}

void channel_next(struct channel *channel)
{
	close_fds(channel);
	channel->have = 0;
}

/* Takes over what came. False: more than we allow for one message; nothing of it stays open. */
static bool take_fds(struct channel *channel, struct msghdr *message)
{
	bool fits = (message->msg_flags & MSG_CTRUNC) == 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		int fd;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
			if (channel->fd_count < MESSAGE_FDS_MAX) {
				channel->fds[channel->fd_count++] = fd;
			} else {
				close(fd);
				fits = false;
			}
		}
	}
	return fits;
}

/* Up to `want` bytes of the message. Never beyond its end: descriptors come with the first byte of the next one. */
static enum channel_state receive_until(struct channel *channel, size_t want)
{
	while (channel->have < want) {
		union {
			struct cmsghdr align;
			char bytes[CMSG_SPACE(MESSAGE_FDS_MAX * sizeof(int))];
		} control;
		struct iovec piece = { channel->in.bytes + channel->have, want - channel->have };
		struct msghdr message = { .msg_iov = &piece,
					  .msg_iovlen = 1,
					  .msg_control = control.bytes,
					  .msg_controllen = sizeof control.bytes };
		ssize_t n = recvmsg(channel->socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return CHANNEL_WAIT;
		if (n <= 0 || !take_fds(channel, &message))
			return CHANNEL_CLOSED;
		channel->have += (size_t)n;
	}
	return CHANNEL_MESSAGE;
}

enum channel_state channel_receive(struct channel *channel)
{
	const struct message_header *header = &channel->in.header;
	enum channel_state state = receive_until(channel, sizeof *header);

	if (state != CHANNEL_MESSAGE)
		return state;
	if (header->size < sizeof *header || header->size > MESSAGE_MAX || (header->flags & MESSAGE_TYPE_MASK) != 0) {
		(void)channel_reply(channel, EMSGSIZE, NULL, 0);
		return CHANNEL_CLOSED; /* where the next message begins nobody knows */
	}
	return receive_until(channel, header->size);
}

const void *channel_body(const struct channel *channel, size_t *len)
{
	*len = channel->in.header.size - sizeof channel->in.header;
	return channel->in.bytes + sizeof channel->in.header;
}

bool channel_reply(struct channel *channel, int error, const void *body, size_t len)
{
	const struct message_header *asked = &channel->in.header;
	struct message_header header = {
		.id = asked->id,
		.command = asked->command,
		.size = (uint32_t)(sizeof header + (error == 0 ? len : 0)),
		.flags = MESSAGE_REPLY | (error != 0 ? MESSAGE_ERROR : 0),
		.error = (uint32_t)error,
	};
	uint8_t bytes[MESSAGE_MAX];
	int64_t deadline = channel_now() + SEND_TIMEOUT_MS;
	size_t done = 0;

	if ((asked->flags & MESSAGE_NO_REPLY) != 0)
		return true;
	memcpy(bytes, &header, sizeof header);
	if (header.size > sizeof header)
		memcpy(bytes + sizeof header, body, len);
	while (done < header.size) {
		ssize_t n = send(channel->socket, bytes + done, header.size - done, MSG_DONTWAIT | MSG_NOSIGNAL);
		struct pollfd writable = { .fd = channel->socket, .events = POLLOUT };
		int64_t left = deadline - channel_now();

		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || (errno != EAGAIN && errno != EINTR))
			return false;
		else if (left <= 0 || (poll(&writable, 1, (int)left) < 0 && errno != EINTR))
			return false;
	}
	return true;
}
