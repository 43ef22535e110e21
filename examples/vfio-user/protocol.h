/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * protocol.h: what a client may ask of a function. Each message is judged before it has an effect: size, counts,
 * indices, ranges, descriptors. A bad one is answered with an errno, and changes nothing.
 */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include "function.h"

/* Handles the message in the function's channel. False: the connection is over. */
bool protocol_handle(struct function *function);

#endif /* PROTOCOL_H */
