// SPDX-License-Identifier: Apache-2.0
//
// Assembly parts of the kernel's tests; code.h says what each is.

#include "tests/registers.S"

	.macro	function name
	.global	\name
	.type	\name, %function
	.balign	16
\name:
	.endm

	.macro	one name, instruction:vararg
function \name
	.global	\name\()_instruction
\name\()_instruction:
	\instruction
	ret
	.endm

	.text

	one	kt_load, ldr x0, [x0]
	one	kt_store, str x1, [x0]
	one	kt_undefined, udf #0
	one	kt_breakpoint, brk #7
	one	kt_read_sctlr, mrs x0, sctlr_el1
	one	kt_svc3, svc #3
	one	kt_svc2, svc #2
	one	kt_hvc, hvc #0
	one	kt_smc, smc #0

// RegisterImage: x at 0, q at 0x100, the rest at 0x300.
function kt_store_registers
	.irp	n, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28
	str	x\n, [x0, #(\n * 8)]
	.endr
	.irp	n, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29
	str	x\n, [x0, #(\n * 8)]
	.endr
	mov	x1, sp
	stp	x30, x1, [x0, #0xf0]
	add	x2, x0, #0x100
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	str	q\n, [x2], #16
	.endr
	mrs	x3, tpidr_el0
	mrs	x4, nzcv
	mrs	x5, fpcr
	mrs	x6, fpsr
	stp	x3, x4, [x2]
	stp	x5, x6, [x2, #16]
	mov	x8, #25			// kThreadExit
	mov	x0, xzr
	svc	#1
	b	.

// RegisterWatch: seed, rounds, errors, stop, call, notification, deadline. x19 = watch, x20 = seed, x21 = SP.
function kt_watch_registers
	stp	x29, x30, [sp, #-160]!
	stp	x19, x20, [sp, #16]
	stp	x21, x22, [sp, #32]
	stp	x23, x24, [sp, #48]
	stp	x25, x26, [sp, #64]
	stp	x27, x28, [sp, #80]
	stp	d8, d9, [sp, #96]
	stp	d10, d11, [sp, #112]
	stp	d12, d13, [sp, #128]
	stp	d14, d15, [sp, #144]
	mov	x19, x0
	ldr	x20, [x19]
	mov	x21, sp
	msr	tpidr_el0, x20
	.irp	n, 22, 23, 24, 25, 26, 27, 28, 29, 30
	add	x\n, x20, #\n
	.endr
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	add	x9, x20, #(\n + 64)
	dup	v\n\().2d, x9
	.endr
	and	x9, x20, #0x3
	lsl	x9, x9, #22		// the rounding mode
	msr	fpcr, x9

.Lround:
	ldr	x9, [x19, #32]
	cbz	x9, .Llook
	cmp	x9, #1
	b.eq	.Lyield
	ldr	x10, [x19, #48]
	isb
	mrs	x2, cntpct_el0
	add	x2, x2, x10
	ldr	x0, [x19, #40]
	mov	x1, #-1
	mov	x8, #62			// kNotificationWait
	svc	#1
	b	.Llook
.Lyield:
	mov	x8, #26			// kThreadYield
	svc	#1

.Llook:
	mov	x10, xzr		// differences
	mrs	x9, tpidr_el0
	eor	x9, x9, x20
	orr	x10, x10, x9
	mov	x9, sp
	eor	x9, x9, x21
	orr	x10, x10, x9
	ldr	x9, [x19]
	eor	x9, x9, x20
	orr	x10, x10, x9
	.irp	n, 22, 23, 24, 25, 26, 27, 28, 29, 30
	add	x9, x20, #\n
	eor	x9, x9, x\n
	orr	x10, x10, x9
	.endr
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	add	x9, x20, #(\n + 64)
	mov	x11, v\n\().d[0]
	eor	x11, x11, x9
	orr	x10, x10, x11
	mov	x11, v\n\().d[1]
	eor	x11, x11, x9
	orr	x10, x10, x11
	.endr
	and	x9, x20, #0x3
	lsl	x9, x9, #22
	mrs	x11, fpcr
	eor	x11, x11, x9
	orr	x10, x10, x11
	cbz	x10, 1f
	ldr	x9, [x19, #16]
	add	x9, x9, #1
	str	x9, [x19, #16]
1:	ldr	x9, [x19, #8]
	add	x9, x9, #1
	str	x9, [x19, #8]
	ldar	x9, [x19]		// orders the look at stop, which another CPU writes
	ldr	x9, [x19, #24]
	cbz	x9, .Lround

	msr	fpcr, xzr
	mov	sp, x21
	ldp	x19, x20, [sp, #16]
	ldp	x21, x22, [sp, #32]
	ldp	x23, x24, [sp, #48]
	ldp	x25, x26, [sp, #64]
	ldp	x27, x28, [sp, #80]
	ldp	d8, d9, [sp, #96]
	ldp	d10, d11, [sp, #112]
	ldp	d12, d13, [sp, #128]
	ldp	d14, d15, [sp, #144]
	ldp	x29, x30, [sp], #160
	ret

// SP: UpcallHook.
function kt_upcall
	sub	sp, sp, #256
	stp	x0, x1, [sp, #0x00]
	x2_to_x27 stp, sp
	stp	x28, x29, [sp, #0xe0]
	str	x30, [sp, #0xf0]
	ldp	x9, x0, [sp, #256]
	mov	x1, sp
	blr	x9
	ldp	x0, x1, [sp, #0x00]
	x2_to_x27 ldp, sp
	ldp	x28, x29, [sp, #0xe0]
	ldr	x30, [sp, #0xf0]
	svc	#2
	b	.

// x0 = number, x1 = argument, x2 = where damage is counted.
function kt_linux_call
	stp	x29, x30, [sp, #-48]!
	stp	x19, x20, [sp, #16]
	str	x21, [sp, #32]
	mov	x19, x2
	mov	x21, sp
	mov	x8, x0
	mov	x0, x1
	.irp	n, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17
	mov	x\n, #(0x100 + \n)
	.endr
	mov	x20, #0x90000000	// N and V
	msr	nzcv, x20
	svc	#0
	mrs	x30, nzcv
	eor	x20, x20, x30
	.irp	n, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17
	mov	x30, #(0x100 + \n)
	eor	x30, x30, x\n
	orr	x20, x20, x30
	.endr
	mov	x9, sp
	eor	x9, x9, x21
	orr	x20, x20, x9
	cbz	x20, 1f
	ldr	x9, [x19]
	add	x9, x9, #1
	str	x9, [x19]
1:	ldp	x19, x20, [sp, #16]
	ldr	x21, [sp, #32]
	ldp	x29, x30, [sp], #48
	ret

	.section .note.GNU-stack, "", %progbits
