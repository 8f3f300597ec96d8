// SPDX-License-Identifier: Apache-2.0
//
// Where a further vCPU begins (PSCI CPU_ON with the end of its stack as the context): exception vectors, MMU, and
// SecondMain(), which the guest brings and which does not return. It works for all of them; MPIDR_EL1 tells which one it is.

	.section .text, "ax"
	.global second_start
second_start:
	mov	sp, x0
	adrp	x1, vectors
	add	x1, x1, :lo12:vectors
	msr	vbar_el1, x1
	mov	x29, xzr
	mov	x30, xzr
	bl	SwitchMmuOn
	b	SecondMain
