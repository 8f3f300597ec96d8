// SPDX-License-Identifier: Apache-2.0
//
// The shortest life of a guest: an arm64 Image header, and PSCI SYSTEM_OFF (Arm DEN0022, 5.10).

#include "tests/guest/image_header.S"

	.text
	.global _start
_start:
	image_header start, 4096
start:
	mov	w0, #0x0008
	movk	w0, #0x8400, lsl #16
	hvc	#0
	b	.
