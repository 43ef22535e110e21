/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * start.S: machine mode, at the first byte of RAM, where QEMU's virt begins without other firmware. A1: the device
 * tree. One processor is expected; others wait for ever.
 */
	.section .text.start, "ax"
	.globl _start
_start:
	bnez a0, wait
	.option push
	.option norelax
	la gp, __global_pointer$
	.option pop
	la sp, stack_top
	la t0, trap
	csrw mtvec, t0
	la t0, bss_start
	la t1, bss_end
1:	beq t0, t1, 2f
	sb zero, (t0)
	addi t0, t0, 1
	j 1b
2:	mv s0, zero
	mv a0, a1
	call firmware_main

	.balign 4
trap:
	csrr a0, mcause
	csrr a1, mepc
	j firmware_exception
wait:
	wfi
	j wait

	.section .note.GNU-stack, "", @progbits
