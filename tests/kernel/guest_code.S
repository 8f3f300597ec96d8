// SPDX-License-Identifier: Apache-2.0
//
// Programs of guests: EL1, MMU off unless said otherwise, position independent, copied into a guest's memory. guest.h says what each does.

	.macro	program name
	.global	\name
	.balign	16
\name:
	.endm

	.equ	GICV, 0x08010000
	.equ	GICV_CTLR, 0x00
	.equ	GICV_PMR, 0x04
	.equ	GICV_IAR, 0x0c
	.equ	GICV_EOIR, 0x10
	.equ	TIMER_INTID, 27

	.section .rodata.guest, "a"
	.balign	4096
	.global	kg_begin
kg_begin:

	.balign	2048
vectors:
	.rept	5
	.balign	0x80
	hvc	#0xbad
	b	.
	.endr
	.balign	0x80			// 0x280: IRQ, current EL with SP_EL1
	b	irq
	.rept	10
	.balign	0x80
	hvc	#0xbad
	b	.
	.endr

program kg_hvc
	add	x0, x0, #1
	hvc	#5
	b	kg_hvc

// x0: the virtual counter's value until which it computes before each hypercall.
program kg_linger
	isb
	mrs	x1, cntvct_el0
	cmp	x1, x0
	b.lo	kg_linger
	hvc	#15
	b	kg_linger

program kg_count
	ldr	x1, [x0]
	add	x1, x1, #1
	str	x1, [x0]
	b	kg_count

program kg_wait
	wfi
	ldr	x1, [x0]
	add	x1, x1, #1
	str	x1, [x0]
	b	kg_wait

program kg_load
	ldr	x1, [x0]
	hvc	#6
	b	kg_load

program kg_store
	str	x1, [x0]
	hvc	#7
	b	kg_store

program kg_jump
	br	x0

program kg_smc
	smc	#3
	hvc	#8
	b	kg_smc

program kg_read_id
	mrs	x5, id_aa64pfr0_el1
	hvc	#9
	b	kg_read_id

// x0: TimerPage; x1: ticks.
program kg_timer
	mov	x19, x0
	mov	x20, x1
	adr	x2, vectors
	msr	vbar_el1, x2
	bl	open_gicv
	msr	cntv_tval_el0, x20
	mov	x2, #1
	msr	cntv_ctl_el0, x2
	isb
	msr	daifclr, #2
1:	ldr	x2, [x19, #32]
	cbz	x2, 2f
	wfi
2:	ldr	x2, [x19, #16]
	add	x2, x2, #1
	str	x2, [x19, #16]
	ldr	x2, [x19, #24]
	cbz	x2, 1b
	msr	daifset, #2
	msr	cntv_ctl_el0, xzr
	hvc	#10
	b	.

// x0: TimerPage. Takes interrupts, arms no timer.
program kg_listen
	mov	x19, x0
	mov	x20, xzr
	adr	x2, vectors
	msr	vbar_el1, x2
	bl	open_gicv
	msr	daifclr, #2
	b	1b

open_gicv:
	movz	x21, #(GICV >> 16), lsl #16
	mov	w2, #0xff
	str	w2, [x21, #GICV_PMR]
	mov	w2, #1
	str	w2, [x21, #GICV_CTLR]
	ret

// Counts an interrupt; the timer's is armed again.
irq:
	stp	x2, x3, [sp, #-16]!
	movz	x21, #(GICV >> 16), lsl #16
	ldr	w2, [x21, #GICV_IAR]
	and	w3, w2, #0x3ff
	cmp	w3, #TIMER_INTID
	b.ne	1f
	msr	cntv_ctl_el0, xzr
	isb
	str	w2, [x21, #GICV_EOIR]
	ldr	x3, [x19, #0]
	add	x3, x3, #1
	str	x3, [x19, #0]
	cbz	x20, 2f
	msr	cntv_tval_el0, x20
	mov	x3, #1
	msr	cntv_ctl_el0, x3
	isb
	b	2f
1:	str	w2, [x21, #GICV_EOIR]
	ldr	x3, [x19, #8]
	add	x3, x3, #1
	str	x3, [x19, #8]
	str	x2, [x19, #40]
2:	ldp	x2, x3, [sp], #16
	eret

// Acknowledges and ends interrupts by polling, x1 of them, and leaves by HVC right behind the last.
program kg_acknowledge
	bl	open_gicv
1:	ldr	w2, [x21, #GICV_IAR]
	str	w2, [x21, #GICV_EOIR]
	subs	x1, x1, #1
	b.ne	1b
	hvc	#11
	b	.

// x0: GuestWatch. Every register holds a value that follows from its seed; looks at them after each HVC.
	.macro	watched operation
	\operation	ttbr0_el1, 1
	\operation	ttbr1_el1, 2
	\operation	mair_el1, 3
	\operation	vbar_el1, 4
	\operation	esr_el1, 5
	\operation	far_el1, 6
	\operation	elr_el1, 7
	\operation	tpidr_el1, 8
	\operation	contextidr_el1, 9
	\operation	sp_el0, 10
	\operation	tpidr_el0, 11
	\operation	tpidrro_el0, 12
	.endm
	// Low bits that a register may not keep, and high ones, are left out.
	.macro	value number
	add	x9, x20, #\number, lsl #12
	and	x9, x9, #0xfffff000
	.endm
	.macro	set register, number
	value	\number
	msr	\register, x9
	.endm
	.macro	check register, number
	value	\number
	mrs	x10, \register
	and	x10, x10, #0xfffff000
	eor	x10, x10, x9
	orr	x12, x12, x10
	.endm

program kg_watch
	mov	x19, x0
	ldr	x20, [x19]
	mov	x9, #(3 << 20)
	msr	cpacr_el1, x9
	isb
	watched	set
	add	x21, x20, #21
	add	x22, x20, #22
	add	x28, x20, #28
	add	x30, x20, #30
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	add	x9, x20, #(\n + 64)
	dup	v\n\().2d, x9
	.endr
	and	x9, x20, #3
	lsl	x9, x9, #22
	msr	fpcr, x9
	isb
1:	ldr	x9, [x19, #24]
	cbz	x9, 2f
	hvc	#12
2:	mov	x12, xzr
	watched	check
	add	x9, x20, #21
	eor	x9, x9, x21
	orr	x12, x12, x9
	add	x9, x20, #22
	eor	x9, x9, x22
	orr	x12, x12, x9
	add	x9, x20, #28
	eor	x9, x9, x28
	orr	x12, x12, x9
	add	x9, x20, #30
	eor	x9, x9, x30
	orr	x12, x12, x9
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	add	x9, x20, #(\n + 64)
	mov	x10, v\n\().d[0]
	eor	x10, x10, x9
	orr	x12, x12, x10
	mov	x10, v\n\().d[1]
	eor	x10, x10, x9
	orr	x12, x12, x10
	.endr
	and	x9, x20, #3
	lsl	x9, x9, #22
	mrs	x10, fpcr
	eor	x10, x10, x9
	orr	x12, x12, x10
	cbz	x12, 3f
	ldr	x9, [x19, #16]
	add	x9, x9, #1
	str	x9, [x19, #16]
	str	x12, [x19, #32]
3:	ldr	x9, [x19, #8]
	add	x9, x9, #1
	str	x9, [x19, #8]
	b	1b

// Makes EL1 as unpleasant for whoever comes next as it can: no FP, no counter for EL0, big-endian data, alignment checks.
program kg_poison
	msr	cpacr_el1, xzr
	msr	cntkctl_el1, xzr
	mrs	x1, sctlr_el1
	orr	x1, x1, #(1 << 1)	// A
	orr	x1, x1, #(1 << 24)	// E0E
	bic	x1, x1, #(1 << 14)	// DZE
	bic	x1, x1, #(1 << 15)	// UCT
	bic	x1, x1, #(1 << 26)	// UCI
	msr	sctlr_el1, x1
	isb
	hvc	#13
	b	kg_poison

// With the MMU on (the VMM set it up): reads x0 for ever; x2 counts values other than x1.
program kg_reread
	ldr	x3, [x0]
	cmp	x3, x1
	cinc	x2, x2, ne
	add	x4, x4, #1
	hvc	#14
	b	kg_reread

	.balign	4096
	.global	kg_end
kg_end:

	.section .note.GNU-stack, "", %progbits
