// SPDX-License-Identifier: Apache-2.0
//
// The measuring guest's exception vectors.

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
	stp	x2, x3, [sp, #0x10]
	stp	x4, x5, [sp, #0x20]
	stp	x6, x7, [sp, #0x30]
	stp	x8, x9, [sp, #0x40]
	stp	x10, x11, [sp, #0x50]
	stp	x12, x13, [sp, #0x60]
	stp	x14, x15, [sp, #0x70]
	stp	x16, x17, [sp, #0x80]
	stp	x18, x19, [sp, #0x90]
	stp	x20, x21, [sp, #0xa0]
	stp	x22, x23, [sp, #0xb0]
	stp	x24, x25, [sp, #0xc0]
	stp	x26, x27, [sp, #0xd0]
	stp	x28, x29, [sp, #0xe0]
	str	x30, [sp, #0xf0]
	bl	HandleInterrupt
	ldp	x2, x3, [sp, #0x10]
	ldp	x4, x5, [sp, #0x20]
	ldp	x6, x7, [sp, #0x30]
	ldp	x8, x9, [sp, #0x40]
	ldp	x10, x11, [sp, #0x50]
	ldp	x12, x13, [sp, #0x60]
	ldp	x14, x15, [sp, #0x70]
	ldp	x16, x17, [sp, #0x80]
	ldp	x18, x19, [sp, #0x90]
	ldp	x20, x21, [sp, #0xa0]
	ldp	x22, x23, [sp, #0xb0]
	ldp	x24, x25, [sp, #0xc0]
	ldp	x26, x27, [sp, #0xd0]
	ldp	x28, x29, [sp, #0xe0]
	ldr	x30, [sp, #0xf0]
	ldp	x0, x1, [sp], #0x100
	eret
