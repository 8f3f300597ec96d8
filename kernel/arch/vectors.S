// SPDX-License-Identifier: Apache-2.0
//
// EL2's exception vectors, and the way back. Saves, restores and branches only; sched/entry.cc decides.
//
// While EL0 or EL1 runs, SP_EL2 points at the Frame that takes its registers (arch/frame.h): a thread's own or a vCPU's state page.
// In the kernel SP_EL2 is the CPU's stack and TPIDR_EL2 its struct Cpu (stack_top at 0, panic_stack_top at 8).

.macro save_frame
	stp	x0, x1, [sp, #0x00]
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
	mrs	x0, elr_el2
	mrs	x1, spsr_el2
	stp	x30, x0, [sp, #0xf0]
	str	x1, [sp, #0x100]
	mrs	x0, tpidr_el2
	ldr	x1, [x0]
	mov	sp, x1
	mov	x29, xzr		// backtraces end here
	mov	x30, xzr
.endm

.macro vector label
	.balign 0x80
	b	\label
.endm

.macro synchronous
	.balign 0x80
	save_frame
	bl	HandleSynchronous
	cbz	x0, resume_exit
	b	resume
.endm

.macro unexpected kind
	.balign 0x80
	// Nothing of EL2's registers is lost before they are printed: two scratch registers go to the panic stack.
	msr	tpidrro_el0, x0
	msr	contextidr_el1, x1
	mov	x0, #\kind
	b	panic_entry
.endm

	.section .text.vectors, "ax"
	.balign 0x800
	.global vectors
vectors:
	unexpected 0			// current EL, SP_EL0
	unexpected 1
	unexpected 2
	unexpected 3
	unexpected 4			// current EL, SP_EL2: the kernel itself faulted
	unexpected 5
	unexpected 6
	unexpected 7
	synchronous			// lower EL, AArch64
	vector	lower_irq
	unexpected 10
	vector	lower_serror
	synchronous			// lower EL, AArch32: a guest's user code
	vector	lower_irq
	unexpected 14
	vector	lower_serror

	.balign 0x80
lower_irq:
	save_frame
	bl	HandleInterrupt
	b	resume
lower_serror:
	save_frame
	bl	HandleSError

	// x0: the Frame to run with. ELR_EL2 and SPSR_EL2 are set.
resume:
	mov	sp, x0
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
	ldp	x0, x1, [sp, #0x00]
	eret
	dsb	nsh			// no speculation past ERET (straight-line)
	isb

	// A guest's exit: the VMM returns from vcpu_run. x1: its Frame. x2..x17 are lost by the system calls' convention; what is left
	// in them is the guest's and this path's own.
	.balign 64
resume_exit:
	mov	sp, x1
	ldp	x18, x19, [sp, #0x90]
	ldp	x20, x21, [sp, #0xa0]
	ldp	x22, x23, [sp, #0xb0]
	ldp	x24, x25, [sp, #0xc0]
	ldp	x26, x27, [sp, #0xd0]
	ldp	x28, x29, [sp, #0xe0]
	ldr	x30, [sp, #0xf0]
	ldp	x0, x1, [sp, #0x00]
	eret
	dsb	nsh
	isb

	// Boot: the first way into user code on this CPU.
	.global EnterUser
EnterUser:
	b	resume

	// The kernel's registers into a Frame on the CPU's panic stack, whatever state its own stack is in.
panic_entry:
	mov	x1, sp
	msr	sp_el0, x1		// the interrupted SP
	mrs	x1, tpidr_el2
	ldr	x1, [x1, #8]
	sub	x1, x1, #0x110
	mov	sp, x1
	mrs	x1, contextidr_el1
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
	mrs	x2, elr_el2
	mrs	x3, spsr_el2
	stp	x30, x2, [sp, #0xf0]
	str	x3, [sp, #0x100]
	mrs	x2, tpidrro_el0
	stp	x2, x1, [sp, #0x00]
	mov	x1, sp
	bl	PanicOnException

	.text
	.global SaveFp
SaveFp:
	stp	q0, q1, [x0, #0x000]
	stp	q2, q3, [x0, #0x020]
	stp	q4, q5, [x0, #0x040]
	stp	q6, q7, [x0, #0x060]
	stp	q8, q9, [x0, #0x080]
	stp	q10, q11, [x0, #0x0a0]
	stp	q12, q13, [x0, #0x0c0]
	stp	q14, q15, [x0, #0x0e0]
	stp	q16, q17, [x0, #0x100]
	stp	q18, q19, [x0, #0x120]
	stp	q20, q21, [x0, #0x140]
	stp	q22, q23, [x0, #0x160]
	stp	q24, q25, [x0, #0x180]
	stp	q26, q27, [x0, #0x1a0]
	stp	q28, q29, [x0, #0x1c0]
	stp	q30, q31, [x0, #0x1e0]
	mrs	x1, fpcr
	mrs	x2, fpsr
	add	x0, x0, #0x200
	stp	x1, x2, [x0]
	ret
	.global LoadFp
LoadFp:
	ldp	q0, q1, [x0, #0x000]
	ldp	q2, q3, [x0, #0x020]
	ldp	q4, q5, [x0, #0x040]
	ldp	q6, q7, [x0, #0x060]
	ldp	q8, q9, [x0, #0x080]
	ldp	q10, q11, [x0, #0x0a0]
	ldp	q12, q13, [x0, #0x0c0]
	ldp	q14, q15, [x0, #0x0e0]
	ldp	q16, q17, [x0, #0x100]
	ldp	q18, q19, [x0, #0x120]
	ldp	q20, q21, [x0, #0x140]
	ldp	q22, q23, [x0, #0x160]
	ldp	q24, q25, [x0, #0x180]
	ldp	q26, q27, [x0, #0x1a0]
	ldp	q28, q29, [x0, #0x1c0]
	ldp	q30, q31, [x0, #0x1e0]
	add	x0, x0, #0x200
	ldp	x1, x2, [x0]
	msr	fpcr, x1
	msr	fpsr, x2
	ret
