// SPDX-License-Identifier: Apache-2.0
//
// For assembly: the arm64 Image header (Linux, Documentation/arch/arm64/booting.rst).

	// `entry`: the first instruction; `bytes`: what must be free from the image's start on.
	.macro image_header entry, bytes
	b	\entry			// code0
	.long	0			// code1
	.quad	0			// text_offset
	.quad	\bytes			// image_size
	.quad	0xa			// flags: little-endian, 4 KiB pages, anywhere in memory
	.quad	0
	.quad	0
	.quad	0
	.ascii	"ARM\x64"
	.long	0
	.endm
