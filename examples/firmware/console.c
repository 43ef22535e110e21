/* SPDX-License-Identifier: BSD-3-Clause */
/* console.c: text, and how the firmware ends if something went wrong. */
#include "console.h"

#include "board.h"

void put(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\n')
			board_put('\r');
		board_put(*text);
	}
}

void put_dec(uint32_t value)
{
	char digits[11];
	char *at = &digits[sizeof digits - 1];

	*at = '\0';
	do {
		*--at = (char)('0' + value % 10);
		value /= 10;
	} while (value != 0);
	put(at);
}

static void put_digits(uint64_t value, unsigned count)
{
	while (count-- > 0)
		board_put("0123456789abcdef"[value >> 4 * count & 15]);
}

void put_hex(uint64_t value)
{
	unsigned count = 1;

	while (count < 16 && value >> 4 * count != 0)
		count++;
	put("0x");
	put_digits(value, count);
}

void put_function(uint32_t number)
{
	put_digits(number >> 8, 2);
	put(":");
	put_digits(number >> 3 & 0x1f, 2);
	put(".");
	put_digits(number & 7, 1);
}

static const char *reason(enum viommu_result result)
{
	switch (result) {
	case VIOMMU_E_ARG:
		return "not a valid argument";
	case VIOMMU_E_NOENT:
		return "there is none";
	case VIOMMU_E_EXISTS:
		return "is there already";
	case VIOMMU_E_RANGE:
		return "out of range, misaligned or reserved";
	case VIOMMU_E_UNSUPP:
		return "the device lacks what is needed";
	case VIOMMU_E_NOMEM:
		return "no room";
	case VIOMMU_E_TIMEOUT:
		return "no answer";
	case VIOMMU_E_PEER:
		return "the device makes no sense";
	case VIOMMU_E_BROKEN:
		return "the queue is broken";
	case VIOMMU_E_REJECTED:
		return "the device refused";
	default:
		return "unexpected";
	}
}

void fail(const char *what, enum viommu_result why)
{
	put("firmware: FAILED: ");
	put(what);
	if (why != VIOMMU_OK) {
		put(": ");
		put(reason(why));
		put(" (-");
		put_dec((uint32_t)-why);
		put(")");
	}
	put("\n");
	board_exit(1);
}

void need(enum viommu_result result, const char *what)
{
	if (result != VIOMMU_OK)
		fail(what, result);
}

void firmware_exception(uint64_t cause, uint64_t at)
{
	put("exception: cause ");
	put_hex(cause);
	put(" at ");
	put_hex(at);
	put("\n");
	fail("the processor has taken an exception", VIOMMU_OK);
}
