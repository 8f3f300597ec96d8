// SPDX-License-Identifier: Apache-2.0
/*
 * What the plugins here use of QEMU's TCG plugin interface (9.0 or newer, version 4). Declared
 * here: Debian ships no header for it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

/* A number per CPU. */
struct counter {
  void *board;
  size_t offset;
};
struct memory_value {
  int type;
  union {
    uint8_t byte;
    uint64_t words[2];
  } data;
};
/* One of the array that qemu_plugin_get_registers returns. */
struct register_description {
  void *handle;
  const char *name;
  const char *feature;
};
/* GLib's GArray and GByteArray. */
struct array {
  void *data;
  unsigned length;
};
enum { ADD_U64 = 0, NO_REGISTERS = 0, READS_REGISTERS = 1, WRITES = 2 };

struct array *g_byte_array_new(void);
struct array *g_byte_array_set_size(struct array *array, unsigned bytes);

void *qemu_plugin_scoreboard_new(size_t bytes);
uint64_t qemu_plugin_u64_sum(struct counter counter);
void qemu_plugin_register_vcpu_init_cb(uint64_t id, void (*callback)(uint64_t, unsigned));
struct array *qemu_plugin_get_registers(void);
int qemu_plugin_read_register(void *handle, struct array *to);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*callback)(uint64_t, void *));
void qemu_plugin_register_vcpu_tb_exec_cb(void *block, void (*callback)(unsigned, void *),
                                          int flags, void *data);
void qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(void *block, int operation,
                                                       struct counter counter, uint64_t value);
size_t qemu_plugin_tb_n_insns(const void *block);
uint64_t qemu_plugin_tb_vaddr(const void *block);
void *qemu_plugin_tb_get_insn(const void *block, size_t index);
size_t qemu_plugin_insn_data(const void *instruction, void *to, size_t bytes);
void qemu_plugin_register_vcpu_insn_exec_cb(void *instruction, void (*callback)(unsigned, void *),
                                            int flags, void *data);
void qemu_plugin_register_vcpu_mem_cb(void *instruction,
                                      void (*callback)(unsigned, uint32_t, uint64_t, void *),
                                      int flags, int which, void *data);
void *qemu_plugin_get_hwaddr(uint32_t info, uint64_t address);
bool qemu_plugin_hwaddr_is_io(const void *address);
uint64_t qemu_plugin_hwaddr_phys_addr(const void *address);
struct memory_value qemu_plugin_mem_get_value(uint32_t info);
void qemu_plugin_register_atexit_cb(uint64_t id, void (*callback)(uint64_t, void *), void *data);
