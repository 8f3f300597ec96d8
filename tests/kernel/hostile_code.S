// SPDX-License-Identifier: Apache-2.0
//
// System calls with any registers: hostile_test.cc.

	.text
	// uint64_t kt_hostile_call(const uint64_t* x, const void* svc): x0..x28 from `x` but x16, then the code at `svc`, which returns to
	// x30. Answers x0.
	.global	kt_hostile_call
	.type	kt_hostile_call, %function
	.balign	16
kt_hostile_call:
	stp	x29, x30, [sp, #-96]!
	stp	x19, x20, [sp, #16]
	stp	x21, x22, [sp, #32]
	stp	x23, x24, [sp, #48]
	stp	x25, x26, [sp, #64]
	stp	x27, x28, [sp, #80]
	mov	x29, x0
	mov	x16, x1
	ldp	x0, x1, [x29]
	ldp	x2, x3, [x29, #16]
	ldp	x4, x5, [x29, #32]
	ldp	x6, x7, [x29, #48]
	ldp	x8, x9, [x29, #64]
	ldp	x10, x11, [x29, #80]
	ldp	x12, x13, [x29, #96]
	ldp	x14, x15, [x29, #112]
	ldp	x17, x18, [x29, #136]
	ldp	x19, x20, [x29, #152]
	ldp	x21, x22, [x29, #168]
	ldp	x23, x24, [x29, #184]
	ldp	x25, x26, [x29, #200]
	ldp	x27, x28, [x29, #216]
	blr	x16
	ldp	x19, x20, [sp, #16]
	ldp	x21, x22, [sp, #32]
	ldp	x23, x24, [sp, #48]
	ldp	x25, x26, [sp, #64]
	ldp	x27, x28, [sp, #80]
	ldp	x29, x30, [sp], #96
	ret

	// kt_svc_immediates: 64 entries of 8 bytes, with immediates that are small, one bit, or all but one.
	.global	kt_svc_immediates
	.balign	16
kt_svc_immediates:
	.set	i, 0
	.rept	32
	svc	#i
	ret
	.set	i, i + 1
	.endr
	.set	i, 1
	.rept	16
	svc	#i
	ret
	.set	i, i * 2
	.endr
	.set	i, 1
	.rept	16
	svc	#(0xffff - i)
	ret
	.set	i, i * 2
	.endr
