// SPDX-License-Identifier: Apache-2.0
//
// The arm64 Image header and the first instructions of each CPU: MMU off, at EL2, position unknown.

	.section .text.head, "ax"
	.global _start
_start:
	b	first_cpu		// code0
	.long	0			// code1
	.quad	0			// text_offset
	.quad	image_bytes		// image_size, with .bss
	.quad	0xa			// flags: little-endian, 4 KiB pages, anywhere in memory
	.quad	0
	.quad	0
	.quad	0
	.ascii	"ARM\x64"
	.long	0

first_cpu:
	msr	daifset, #0xf
	mrs	x9, CurrentEL
	cmp	x9, #(2 << 2)
	b.ne	halt			// without EL2 there is nothing we could be
	mov	x20, x0			// device tree
	bl	reset_el2

	// Relocations: all are R_AARCH64_RELATIVE (the link is checked).
	adrp	x19, image_start
	adrp	x1, rela_start
	add	x1, x1, :lo12:rela_start
	adrp	x2, rela_end
	add	x2, x2, :lo12:rela_end
1:	cmp	x1, x2
	b.hs	2f
	ldp	x3, x4, [x1], #16	// offset, info
	ldr	x5, [x1], #8		// addend
	add	x5, x5, x19
	str	x5, [x3, x19]
	b	1b
2:	adrp	x1, bss_start
	adrp	x2, bss_end
3:	stp	xzr, xzr, [x1], #16
	cmp	x1, x2
	b.lo	3b

	adrp	x1, kernel_stacks	// the first CPU's: a guard page and three pages of stack
	add	x1, x1, #(4 << 12)
	mov	sp, x1
	mov	x29, xzr
	mov	x30, xzr
	mov	x0, x20
	bl	KernelMain
halt:	wfe
	b	halt

	// A further CPU: x0 is its boot record (boot/secondary.h). PSCI gives it in x0; from a spin table it is in secondary_record.
	.global SecondaryEntry
SecondaryEntry:
	msr	daifset, #0xf
	mov	x20, x0
	bl	reset_el2
	mov	x0, x20
	ldp	x1, x2, [x0, #0]	// MAIR, TCR
	ldp	x3, x4, [x0, #16]	// TTBR0, SCTLR
	ldp	x5, x6, [x0, #32]	// stack, entry
	msr	mair_el2, x1
	msr	tcr_el2, x2
	msr	ttbr0_el2, x3
	tlbi	alle2
	dsb	nsh
	isb
	msr	sctlr_el2, x4
	isb
	mov	sp, x5
	mov	x29, xzr
	mov	x30, xzr
	br	x6
	.global SpinTableEntry
SpinTableEntry:
	adrp	x0, secondary_record
	add	x0, x0, :lo12:secondary_record
	b	SecondaryEntry

	// SCTLR_EL2 is written whole: its reset value is not architected. RES1 bits; everything off.
reset_el2:
	mov	w9, #0x0830
	movk	w9, #0x30c5, lsl #16
	msr	sctlr_el2, x9
	mov	x9, #0x33ff		// FP is not trapped: libfdt uses it at boot
	msr	cptr_el2, x9
	isb
	ret

	// x0: MAIR, x1: TCR, x2: TTBR0, x3: SCTLR.
	.text
	.global EnableMmu
EnableMmu:
	msr	mair_el2, x0
	msr	tcr_el2, x1
	msr	ttbr0_el2, x2
	tlbi	alle2
	dsb	nsh
	isb
	msr	sctlr_el2, x3
	isb
	ret
