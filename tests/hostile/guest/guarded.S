// SPDX-License-Identifier: Apache-2.0
//
// guarded.h says what it is for.

	.text
	.global	RunGuarded
	.type	RunGuarded, %function
RunGuarded:
	adrp	x9, context
	add	x9, x9, :lo12:context
	stp	x19, x20, [x9]
	stp	x21, x22, [x9, #16]
	stp	x23, x24, [x9, #32]
	stp	x25, x26, [x9, #48]
	stp	x27, x28, [x9, #64]
	stp	x29, x30, [x9, #80]
	mov	x10, sp
	str	x10, [x9, #96]
	// Whatever it does with the stack, it does below ours.
	sub	sp, sp, #1024
	msr	elr_el1, x1
	mov	x10, #0x3c5			// EL1h, everything masked
	msr	spsr_el1, x10
	mov	x30, x0
	ldp	x0, x1, [x30]
	ldp	x2, x3, [x30, #16]
	ldp	x4, x5, [x30, #32]
	ldp	x6, x7, [x30, #48]
	ldp	x8, x9, [x30, #64]
	ldp	x10, x11, [x30, #80]
	ldp	x12, x13, [x30, #96]
	ldp	x14, x15, [x30, #112]
	ldp	x16, x17, [x30, #128]
	ldp	x18, x19, [x30, #144]
	ldp	x20, x21, [x30, #160]
	ldp	x22, x23, [x30, #176]
	ldp	x24, x25, [x30, #192]
	ldp	x26, x27, [x30, #208]
	ldp	x28, x29, [x30, #224]
	ldr	x30, [x30, #240]
	eret

	// Nothing of the interrupted state is wanted. The exception's entry has masked interrupts and chosen SP_EL1.
recover:
	adrp	x9, context
	add	x9, x9, :lo12:context
	ldr	x10, [x9, #96]
	mov	sp, x10
	ldp	x19, x20, [x9]
	ldp	x21, x22, [x9, #16]
	ldp	x23, x24, [x9, #32]
	ldp	x25, x26, [x9, #48]
	ldp	x27, x28, [x9, #64]
	ldp	x29, x30, [x9, #80]
	mrs	x0, esr_el1
	ret

	.balign	0x800
	.global	guarded_vectors
guarded_vectors:
	.rept	16
	.balign	0x80
	b	recover
	.endr
	.balign	0x80

	.bss
	.balign	16
context:
	.skip	112
