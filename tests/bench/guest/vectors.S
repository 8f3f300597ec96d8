// SPDX-License-Identifier: Apache-2.0
//
// The measuring guest's exception vectors.

#include "tests/registers.S"

.macro unexpected kind
	.balign 0x80
	mov	x0, #\kind
	b	UnexpectedException
.endm

	.section .text.vectors, "ax"
	.balign 0x800
	.global vectors
vectors:
	unexpected 0			// current EL, SP_EL0
	unexpected 1
	unexpected 2
	unexpected 3
	unexpected 4			// current EL, SP_EL1: synchronous
	.balign 0x80
	b	interrupt
	unexpected 6
	unexpected 7
	unexpected 8			// lower EL: there is none
	unexpected 9
	unexpected 10
	unexpected 11
	unexpected 12
	unexpected 13
	unexpected 14
	unexpected 15

	// All general registers, as a kernel saves them; ELR and SPSR stay, as interrupts do not nest.
interrupt:
	stp	x0, x1, [sp, #-0x100]!
	x2_to_x27 stp, sp
	stp	x28, x29, [sp, #0xe0]
	str	x30, [sp, #0xf0]
	bl	HandleInterrupt
	x2_to_x27 ldp, sp
	ldp	x28, x29, [sp, #0xe0]
	ldr	x30, [sp, #0xf0]
	ldp	x0, x1, [sp], #0x100
	eret
