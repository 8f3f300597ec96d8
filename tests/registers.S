// SPDX-License-Identifier: Apache-2.0
//
// Registers in a block of memory, xN at 8 * N: `operation` is stp or ldp, `base` is none of them.

	.macro x2_to_x27 operation, base
	\operation	x2, x3, [\base, #0x10]
	\operation	x4, x5, [\base, #0x20]
	\operation	x6, x7, [\base, #0x30]
	\operation	x8, x9, [\base, #0x40]
	\operation	x10, x11, [\base, #0x50]
	\operation	x12, x13, [\base, #0x60]
	\operation	x14, x15, [\base, #0x70]
	\operation	x16, x17, [\base, #0x80]
	\operation	x18, x19, [\base, #0x90]
	\operation	x20, x21, [\base, #0xa0]
	\operation	x22, x23, [\base, #0xb0]
	\operation	x24, x25, [\base, #0xc0]
	\operation	x26, x27, [\base, #0xd0]
	.endm
