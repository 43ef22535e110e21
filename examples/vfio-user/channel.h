/* SPDX-License-Identifier: BSD-3-Clause */
/* channel.h: a client's connection: whole messages with their file descriptors, however they arrive. */
#ifndef CHANNEL_H
#define CHANNEL_H

#include "message.h"

#include <stdbool.h>
#include <stddef.h>

enum channel_state {
	CHANNEL_WAIT,    /* the rest of a message is not here yet */
	CHANNEL_MESSAGE, /* there is one: `in`, its size is good. Handle it, then channel_next */
	CHANNEL_CLOSED   /* the client has gone, or sent what is no message */
};

struct channel {
	int socket; /* -1: nobody is connected */
	size_t have;
	unsigned fd_count;
	int fds[MESSAGE_FDS_MAX]; /* taken over by whoever sets one to -1; the rest are closed by channel_next */
	union {
		struct message_header header;
		uint8_t bytes[MESSAGE_MAX];
	} in;
};

/* Milliseconds of a clock that only goes on. */
int64_t channel_now(void);

/* A listening socket at this path, or -1. A socket that was left there by a server that is gone is replaced. */
int channel_listen(const char *path);

void channel_open(struct channel *channel, int socket);

/* Closes the socket, and descriptors that came with a message. */
void channel_close(struct channel *channel);

/* Takes what is there, of one message at most. Does not wait. */
enum channel_state channel_receive(struct channel *channel);

/* Done with the message. */
void channel_next(struct channel *channel);

/* The part of the message behind its header. */
const void *channel_body(const struct channel *channel, size_t *len);

/*
 * Answers the message: an errno, or 0 and a body. No answer if the client wants none. False: the client is gone, or has
 * not read for seconds.
 */
bool channel_reply(struct channel *channel, int error, const void *body, size_t len);

#endif /* CHANNEL_H */
