// SPDX-License-Identifier: Apache-2.0
//
// EL1's exception vectors, and the way into the arena (arena.h) and out of it.

#include "tests/registers.S"

	// Each exception is a way out of the arena; elsewhere the guest makes none.
	.section .text.vectors, "ax"
	.balign 0x800
	.global vectors
vectors:
	.rept	16
	.balign	0x80
	msr	daifset, #0xf
	b	LeaveByException
	.endr

	.section .text
// The calling vCPU's part of `saved` into x2.
	.macro own_part, scratch
	mrs	\scratch, mpidr_el1
	and	\scratch, \scratch, #7
	adrp	x2, saved
	add	x2, x2, :lo12:saved
	add	x2, x2, \scratch, lsl #7
	.endm

// uint64_t EnterArena(const uint64_t registers[31], const void* code): registers[30] is not used, x30 is the code's address.
	.global EnterArena
EnterArena:
	own_part x3
	stp	x19, x20, [x2]
	stp	x21, x22, [x2, #16]
	stp	x23, x24, [x2, #32]
	stp	x25, x26, [x2, #48]
	stp	x27, x28, [x2, #64]
	stp	x29, x30, [x2, #80]
	mov	x3, sp
	str	x3, [x2, #96]
	movz	x3, #0x4280, lsl #16	// the middle of scratch memory
	mov	sp, x3
	mov	x30, x1
	mov	x29, x0
	x2_to_x27 ldp, x29
	ldp	x0, x1, [x29]
	ldp	x28, x29, [x29, #224]
	msr	daifclr, #0xf
	br	x30

// The arena's last instruction branches here.
	.global LeaveArena
LeaveArena:
	msr	daifset, #0xf
	mov	x0, xzr
	b	restore
LeaveByException:
	mrs	x0, mpidr_el1
	tst	x0, #7
	b.eq	WardenFails	// it is never in the arena: its memory has been attacked
	mov	x0, #1
restore:
	msr	spsel, #1
	own_part x3
	ldr	x3, [x2, #96]
	mov	sp, x3
	ldp	x19, x20, [x2]
	ldp	x21, x22, [x2, #16]
	ldp	x23, x24, [x2, #32]
	ldp	x25, x26, [x2, #48]
	ldp	x27, x28, [x2, #64]
	ldp	x29, x30, [x2, #80]
	isb
	ret

	.section .bss
	.balign	16
saved:	.skip	128 * 8
