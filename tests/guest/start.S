// SPDX-License-Identifier: Apache-2.0
//
// The first instructions of a guest without an operating system: its memory as C++ expects it, the MMU on (mmu.cc), and
// GuestMain(device tree), which does not return. The guest brings `vectors`, EL1's exception vectors.

#include "tests/guest/image_header.S"

	.section .text.head, "ax"
	.global _start
_start:
	image_header start, image_bytes	// with .bss and the stack

	// Loaded where it is linked (guest.ld). MMU off, all interrupts masked; x0: device tree. What is written now goes past the
	// caches, which may hold older contents of these lines.
start:
	mov	x19, x0
	adrp	x1, bss_start
	adrp	x2, image_end
1:	stp	xzr, xzr, [x1]
	stp	xzr, xzr, [x1, #16]
	stp	xzr, xzr, [x1, #32]
	stp	xzr, xzr, [x1, #48]
	dmb	sy
	dc	ivac, x1
	add	x1, x1, #64
	cmp	x1, x2
	b.lo	1b
	adrp	x1, stack_top
	mov	sp, x1
	adrp	x1, vectors
	add	x1, x1, :lo12:vectors
	msr	vbar_el1, x1
	mov	x29, xzr
	mov	x30, xzr
	bl	TurnMmuOn
	mov	x0, x19
	bl	GuestMain
2:	wfi
	b	2b
