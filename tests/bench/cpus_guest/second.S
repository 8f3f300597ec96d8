// SPDX-License-Identifier: Apache-2.0
//
// Where the second vCPU begins (PSCI CPU_ON). x0: the end of its stack. MMU off.

	.section .text, "ax"
	.global	second_start
second_start:
	mov	sp, x0
	adrp	x1, vectors
	add	x1, x1, :lo12:vectors
	msr	vbar_el1, x1
	mov	x29, xzr
	mov	x30, xzr
	bl	SwitchMmuOn
	b	SecondMain
