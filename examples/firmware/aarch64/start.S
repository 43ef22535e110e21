/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * start.S: EL1, MMU off. All of memory then counts as a device: no access may be misaligned, which the compiler has to
 * be told (-mstrict-align). QEMU's virt puts the device tree at the begin of RAM for a program like this one.
 */
#define RAM 0x40000000

	.section .text.start, "ax"
	.globl _start
_start:
	adrp x0, stack_top
	add x0, x0, :lo12:stack_top
	mov sp, x0
	adrp x0, vectors
	add x0, x0, :lo12:vectors
	msr vbar_el1, x0
	isb
	adrp x0, bss_start
	add x0, x0, :lo12:bss_start
	adrp x1, bss_end
	add x1, x1, :lo12:bss_end
1:	cmp x0, x1
	b.eq 2f
	strb wzr, [x0], #1
	b 1b
2:	mov x29, xzr
	mov x30, xzr
	ldr x0, =RAM
	bl firmware_main

	/* 16 entries of 128 bytes: each is the end. */
	.balign 2048
vectors:
	.rept 16
	mrs x0, esr_el1
	mrs x1, elr_el1
	b firmware_exception
	.balign 128
	.endr

	.section .note.GNU-stack, "", %progbits
