// SPDX-License-Identifier: Apache-2.0
/*
 * A TCG plugin for QEMU (9.0 or newer, plugin API 4): how many instructions had been executed when a line began on the serial line,
 * without the help of what runs, time spent asleep not counted.
 *   -plugin stamps.so,kernel=FROM-TO,uart=ADDRESS,out=FILE     addresses in hex, TO exclusive
 * One line of FILE for each line of text: instructions of the EL2 kernel (code in FROM-TO), of guests' kernels (addresses in the upper
 * half), of everything else (services, guests' user code, guests' first instructions), their sum, and the text. Blocks are counted
 * when they are entered, so one that an exception leaves early counts whole: the sum is up to 1 % too high.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugin.h"

EXPORT int qemu_plugin_version = 4;

enum who { KERNEL, GUEST_KERNEL, OTHER, CLASSES };
static struct counter counters[CLASSES];
static uint64_t kernel_from, kernel_to, uart;
static FILE *out;
static char text[512];
static size_t length;
static uint64_t at_begin[CLASSES];

static void read_counters(void)
{
  for (int i = 0; i < CLASSES; ++i) at_begin[i] = qemu_plugin_u64_sum(counters[i]);
}

static void print_line(void)
{
  const uint64_t sum = at_begin[KERNEL] + at_begin[GUEST_KERNEL] + at_begin[OTHER];
  text[length] = '\0';
  fprintf(out, "%lu %lu %lu %lu %s\n", (unsigned long)at_begin[KERNEL], (unsigned long)at_begin[GUEST_KERNEL],
          (unsigned long)at_begin[OTHER], (unsigned long)sum, text);
  fflush(out);
  length = 0;
}

static void store(unsigned cpu, uint32_t info, uint64_t address, void *data)
{
  (void)cpu;
  (void)data;
  const void *physical = qemu_plugin_get_hwaddr(info, address);
  if (physical == NULL || !qemu_plugin_hwaddr_is_io(physical) || qemu_plugin_hwaddr_phys_addr(physical) != uart) return;
  const char c = (char)qemu_plugin_mem_get_value(info).data.byte;
  if (c == '\r') return;
  if (length == 0) read_counters();
  if (c == '\n' || length == sizeof(text) - 1)
    print_line();
  else
    text[length++] = c;
}

static void translate(uint64_t id, void *block)
{
  (void)id;
  const uint64_t address = qemu_plugin_tb_vaddr(block);
  const size_t count = qemu_plugin_tb_n_insns(block);
  const enum who who = address >> 63 ? GUEST_KERNEL : address >= kernel_from && address < kernel_to ? KERNEL : OTHER;
  qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(block, ADD_U64, counters[who], count);
  if (who == GUEST_KERNEL) return;   // no guest has the serial line
  for (size_t i = 0; i < count; ++i)
    qemu_plugin_register_vcpu_mem_cb(qemu_plugin_tb_get_insn(block, i), store, NO_REGISTERS, WRITES, NULL);
}

static void finish(uint64_t id, void *data)
{
  (void)id;
  (void)data;
  if (length != 0) print_line();
  fclose(out);
}

EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
  (void)info;
  for (int i = 0; i < argc; ++i) {
    char *end;
    if (strncmp(argv[i], "kernel=", 7) == 0) {
      kernel_from = strtoul(argv[i] + 7, &end, 16);
      kernel_to = strtoul(end + 1, NULL, 16);
    } else if (strncmp(argv[i], "uart=", 5) == 0) {
      uart = strtoul(argv[i] + 5, NULL, 16);
    } else if (strncmp(argv[i], "out=", 4) == 0) {
      out = fopen(argv[i] + 4, "w");
    }
  }
  if (out == NULL || kernel_to == 0 || uart == 0) return 1;
  for (int i = 0; i < CLASSES; ++i) counters[i] = (struct counter){qemu_plugin_scoreboard_new(sizeof(uint64_t)), 0};
  qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
  qemu_plugin_register_atexit_cb(id, finish, NULL);
  return 0;
}
