// SPDX-License-Identifier: Apache-2.0
//
// The instructions of guarded access (runtime/guarded.h). Each stands in the fixup table (runtime/kernel/fixup.h), so that a fault in
// it goes on at 9: with "failed". Answers: x0 = value or 0, x1 = 1 if it failed, else 0.

        .macro  function name
        .global \name
        .type   \name, %function
        .balign 16
\name:
        .endm

// The instructions between the labels 1 and 2 may fault.
        .macro  guarded
        .pushsection pyrene_fixup, "a"
        .balign 8
        .quad   1b, 2b, pyrene_guarded_failed
        .popsection
        .endm

        .macro  load name, instruction, register
function \name
1:      \instruction \register\()0, [x0]
2:      mov     x1, xzr
        ret
        guarded
        .size   \name, . - \name
        .endm

        .macro  store name, instruction, register
function \name
1:      \instruction \register\()1, [x0]
2:      mov     x1, xzr
        ret
        guarded
        .size   \name, . - \name
        .endm

        .text

        load    pyrene_guarded_load8, ldarb, w
        load    pyrene_guarded_load16, ldarh, w
        load    pyrene_guarded_load32, ldar, w
        load    pyrene_guarded_load64, ldar, x
        store   pyrene_guarded_store8, stlrb, w
        store   pyrene_guarded_store16, stlrh, w
        store   pyrene_guarded_store32, stlr, w
        store   pyrene_guarded_store64, stlr, x

// (to, expected, desired) -> what was there
function pyrene_guarded_exchange32
1:      ldaxr   w3, [x0]
        cmp     w3, w1
        b.ne    3f
        stlxr   w4, w2, [x0]
        cbnz    w4, 1b
2:      dmb     ish
        mov     w0, w3
        mov     x1, xzr
        ret
3:      clrex
        mov     w0, w3
        mov     x1, xzr
        ret
        guarded
        .size   pyrene_guarded_exchange32, . - pyrene_guarded_exchange32

// (to, from, n). General registers only for what is short: a copy of a few words is not worth an FP switch.
function pyrene_guarded_copy
1:      cmp     x2, #1024
        b.lo    12f
        sub     x2, x2, #256
11:     ld1     {v0.16b-v3.16b}, [x1], #64
        ld1     {v4.16b-v7.16b}, [x1], #64
        ld1     {v16.16b-v19.16b}, [x1], #64
        ld1     {v20.16b-v23.16b}, [x1], #64
        st1     {v0.16b-v3.16b}, [x0], #64
        st1     {v4.16b-v7.16b}, [x0], #64
        st1     {v16.16b-v19.16b}, [x0], #64
        st1     {v20.16b-v23.16b}, [x0], #64
        subs    x2, x2, #256
        b.hs    11b
        add     x2, x2, #256
12:     cmp     x2, #32
        b.lo    4f
3:      ldp     x3, x4, [x1], #16
        ldp     x5, x6, [x1], #16
        stp     x3, x4, [x0], #16
        stp     x5, x6, [x0], #16
        sub     x2, x2, #32
        cmp     x2, #32
        b.hs    3b
4:      cmp     x2, #8
        b.lo    6f
5:      ldr     x3, [x1], #8
        str     x3, [x0], #8
        sub     x2, x2, #8
        cmp     x2, #8
        b.hs    5b
6:      cbz     x2, 8f
7:      ldrb    w3, [x1], #1
        strb    w3, [x0], #1
        sub     x2, x2, #1
        cbnz    x2, 7b
2:
8:      mov     x1, xzr
        ret
        guarded
        .size   pyrene_guarded_copy, . - pyrene_guarded_copy

pyrene_guarded_failed:
        clrex
        mov     x0, xzr
        mov     x1, #1
        ret

        .section .note.GNU-stack, "", %progbits
