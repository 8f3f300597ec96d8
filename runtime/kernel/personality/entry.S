// SPDX-License-Identifier: Apache-2.0
//
// Where the kernel enters a service: its start, its upcalls, its further threads. See entry.h; offsets are those of ThreadStart.

#define START_SP 0xf8
#define START_PC 0x100
#define START_TLS 0x108
#define START_UPCALL_TOP 0x110

#define INITIAL_STACK 1024      // kInitialStackBytes
#define SVC_NATIVE 1
#define SVC_UPCALL_RETURN 2
#define CALL_THREAD_EXIT 25
#define CALL_UPCALL_SET 27
#define EXIT_NO_UPCALL 0xfe

        .macro  function name
        .global \name
        .type   \name, %function
        .balign 4
\name:
        .endm

        .text

// x0 = start page, SP = stack. Linux starts a program with x0 = 0 and the stack ready: then nothing is left to do.
function pyrene_start
        mov     x1, #0x10000            // kStartInfoAddress
        cmp     x0, x1
        b.eq    1f
        b       _start
1:      mov     x29, xzr
        mov     x30, xzr
        mov     x1, sp
        sub     sp, sp, #INITIAL_STACK  // where pyrene_personality_start builds
        bl      pyrene_personality_start
        mov     sp, x0
        mov     x0, xzr                 // no function to call at exit
        mov     x29, xzr
        mov     x30, xzr
        b       _start
        .size   pyrene_start, . - pyrene_start

// SP = top of the upcall stack; every other register is the interrupted code's and goes back as it was, but for what the call
// answers. `svc #2` restores PC, SP and PSTATE. FP registers stay untouched: the personality is compiled without them.
function pyrene_upcall
        sub     sp, sp, #256
        stp     x0, x1, [sp, #0]
        stp     x2, x3, [sp, #16]
        stp     x4, x5, [sp, #32]
        stp     x6, x7, [sp, #48]
        stp     x8, x9, [sp, #64]
        stp     x10, x11, [sp, #80]
        stp     x12, x13, [sp, #96]
        stp     x14, x15, [sp, #112]
        stp     x16, x17, [sp, #128]
        stp     x18, x19, [sp, #144]
        stp     x20, x21, [sp, #160]
        stp     x22, x23, [sp, #176]
        stp     x24, x25, [sp, #192]
        stp     x26, x27, [sp, #208]
        stp     x28, x29, [sp, #224]
        str     x30, [sp, #240]
        mov     x0, sp
        mov     x29, xzr
        bl      pyrene_personality_upcall
        ldp     x0, x1, [sp, #0]
        ldp     x2, x3, [sp, #16]
        ldp     x4, x5, [sp, #32]
        ldp     x6, x7, [sp, #48]
        ldp     x8, x9, [sp, #64]
        ldp     x10, x11, [sp, #80]
        ldp     x12, x13, [sp, #96]
        ldp     x14, x15, [sp, #112]
        ldp     x16, x17, [sp, #128]
        ldp     x18, x19, [sp, #144]
        ldp     x20, x21, [sp, #160]
        ldp     x22, x23, [sp, #176]
        ldp     x24, x25, [sp, #192]
        ldp     x26, x27, [sp, #208]
        ldp     x28, x29, [sp, #224]
        ldr     x30, [sp, #240]
        svc     #SVC_UPCALL_RETURN
        .size   pyrene_upcall, . - pyrene_upcall

function pyrene_thread_start
        mov     x19, x0
        adrp    x0, pyrene_upcall
        add     x0, x0, :lo12:pyrene_upcall
        ldr     x1, [x19, #START_UPCALL_TOP]
        mov     x8, #CALL_UPCALL_SET
        svc     #SVC_NATIVE
        cbz     x0, pyrene_thread_enter
        mov     x0, #EXIT_NO_UPCALL
        mov     x8, #CALL_THREAD_EXIT
        svc     #SVC_NATIVE
        .size   pyrene_thread_start, . - pyrene_thread_start

// A fresh thread goes on behind its creator's `svc #0` with x0 = 0, as Linux's clone does. Only x17 is not its creator's: the jump
// needs a register, and x17 is the linker's scratch register, which no caller of clone() can rely on.
function pyrene_thread_enter
        ldr     x1, [x19, #START_TLS]
        msr     tpidr_el0, x1
        ldr     x1, [x19, #START_SP]
        mov     sp, x1
        ldr     x17, [x19, #START_PC]
        ldp     x0, x1, [x19, #0]
        ldp     x2, x3, [x19, #16]
        ldp     x4, x5, [x19, #32]
        ldp     x6, x7, [x19, #48]
        ldp     x8, x9, [x19, #64]
        ldp     x10, x11, [x19, #80]
        ldp     x12, x13, [x19, #96]
        ldp     x14, x15, [x19, #112]
        ldr     x16, [x19, #128]
        ldr     x18, [x19, #144]
        ldp     x20, x21, [x19, #160]
        ldp     x22, x23, [x19, #176]
        ldp     x24, x25, [x19, #192]
        ldp     x26, x27, [x19, #208]
        ldp     x28, x29, [x19, #224]
        ldr     x30, [x19, #240]
        ldr     x19, [x19, #152]
        br      x17
        .size   pyrene_thread_enter, . - pyrene_thread_enter

        .section .note.GNU-stack, "", %progbits
