/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * start.S: PVH, a way to start a kernel in 32-bit protected mode without paging. Maps the first 4 GiB to themselves,
 * which takes in the BARs, and enters 64-bit mode. EBX: physical address of the start info, on which platform.h builds.
 */
#define CR0_PG_PE 0x80000001
#define CR4_PAE 0x20
#define EFER 0xc0000080
#define EFER_LME 0x100
#define PAGE_LARGE_WRITABLE_PRESENT 0x83

	/* Owner "Xen", type 18: where to begin. The descriptor is as wide as an address of this ELF class. */
	.section .note.pvh, "a", @note
	.balign 4
	.long 4, 8, 18
	.asciz "Xen"
	.quad _start

	.section .text.start, "ax"
	.code32
	.globl _start
_start:
	cli
	cld
	movl $bss_start, %edi
	movl $bss_end, %ecx
	subl %edi, %ecx
	xorl %eax, %eax
	rep stosb

	/* 2048 pages of 2 MiB, in four tables that follow each other. */
	movl $pages, %edi
	movl $PAGE_LARGE_WRITABLE_PRESENT, %eax
1:	movl %eax, (%edi)
	addl $8, %edi
	addl $0x200000, %eax
	cmpl $pages + 2048 * 8, %edi
	jne 1b
	movl $pages + 3, %eax
	movl $directories, %edi
2:	movl %eax, (%edi)
	addl $8, %edi
	addl $0x1000, %eax
	cmpl $directories + 4 * 8, %edi
	jne 2b
	movl $directories + 3, root

	movl $root, %eax
	movl %eax, %cr3
	movl %cr4, %eax
	orl $CR4_PAE, %eax
	movl %eax, %cr4
	movl $EFER, %ecx
	rdmsr
	orl $EFER_LME, %eax
	wrmsr
	movl %cr0, %eax
	orl $CR0_PG_PE, %eax
	movl %eax, %cr0
	lgdt descriptor_table_register
	ljmp $8, $3f

	.code64
3:	xorl %eax, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movq $stack_top, %rsp
	xorl %ebp, %ebp
	movl %ebx, %edi
	call firmware_main

	.section .rodata
	.balign 8
descriptor_table:
	.quad 0, 0x00209a0000000000 /* 64-bit code */
descriptor_table_register:
	.word descriptor_table_register - descriptor_table - 1
	.long descriptor_table

	.bss
	.balign 4096
root:
	.skip 4096
directories:
	.skip 4096
pages:
	.skip 4 * 4096

	.section .note.GNU-stack, "", @progbits
