// SPDX-License-Identifier: Apache-2.0
//
// EL2's exception vectors, and the way back. Saves, restores and branches only; sched/entry.cc decides.
//
// While EL0 or EL1 runs, SP_EL2 points at the Frame that takes its registers (arch/frame.h): a thread's own or a vCPU's state page.
// In the kernel SP_EL2 is the CPU's stack and TPIDR_EL2 its struct Cpu (stack_top at 0, panic_stack_top at 8).

	.altmacro
.macro pair op, prefix, bytes, base, first, second
	\op	\prefix\first, \prefix\second, [\base, #\first * \bytes]
.endm

	// Stores or loads consecutive registers, in pairs, at base + bytes * number.
.macro registers op, first, last, prefix=x, bytes=8, base=sp
	.set	number, \first
	.rept	(\last - \first + 1) / 2
	pair	\op, \prefix, \bytes, \base, %number, %(number + 1)
	.set	number, number + 2
	.endr
.endm

.macro save_frame
	registers stp, 0, 29
	mrs	x0, elr_el2
	mrs	x1, spsr_el2
	stp	x30, x0, [sp, #0xf0]
	str	x1, [sp, #0x100]
	mrs	x0, tpidr_el2
	ldr	x1, [x0]
	mov	sp, x1
	mov	x29, xzr		// backtraces end here
.endm

.macro vector label
	.balign 0x80
	b	\label
.endm

.macro synchronous
	.balign 0x80
	save_frame
	bl	HandleSynchronous
	tbnz	x0, #0, resume_exit
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
	.irp	kind, 0, 1, 2, 3, 4, 5, 6, 7	// current EL: from 4 on with SP_EL2, the kernel itself faulted
	unexpected \kind
	.endr
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
	registers ldp, 2, 29
	ldr	x30, [sp, #0xf0]
	ldp	x0, x1, [sp, #0x00]
	eret
	dsb	nsh			// no speculation past ERET (straight-line)
	isb

	// A guest's exit: the VMM returns from vcpu_run. x0: its Frame's address + 1. x2..x17 are lost by the system calls' convention; what is left
	// in them is the guest's and this path's own.
	.balign 64
resume_exit:
	sub	sp, x0, #1
	registers ldp, 18, 29
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
	registers stp, 2, 29
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
	registers stp, 0, 31, q, 16, x0
	mrs	x1, fpcr
	mrs	x2, fpsr
	add	x0, x0, #0x200
	stp	x1, x2, [x0]
	ret
	.global LoadFp
LoadFp:
	registers ldp, 0, 31, q, 16, x0
	add	x0, x0, #0x200
	ldp	x1, x2, [x0]
	msr	fpcr, x1
	msr	fpsr, x2
	ret
