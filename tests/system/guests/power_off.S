// SPDX-License-Identifier: Apache-2.0
//
// The shortest life of a guest: an arm64 Image header, and PSCI SYSTEM_OFF (Arm DEN0022, 5.10).

	.text
	.global _start
_start:
	b	start			// code0
	.long	0			// code1
	.quad	0			// text_offset
	.quad	4096			// image_size
	.quad	0xa			// flags: little-endian, 4 KiB pages, anywhere in memory
	.quad	0
	.quad	0
	.quad	0
	.ascii	"ARM\x64"
	.long	0
start:
	mov	w0, #0x0008
	movk	w0, #0x8400, lsl #16
	hvc	#0
	b	.
