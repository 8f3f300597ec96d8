// SPDX-License-Identifier: Apache-2.0
/*
 * A TCG plugin for QEMU: what happened on two CPUs, and how many instructions each of them had executed by then. QEMU runs them in turns, so
 * that a span of virtual time holds the turns of both; a CPU's own instructions do not.
 *   -plugin trace.so,services=FROM-TO,doorbell=ADDRESS,out=FILE     addresses in hex, TO exclusive
 * Which CPU is running is seen by TPIDR_EL2, where the kernel keeps a pointer of the CPU's own: when CPUs take turns in one thread, QEMU 10
 * tells a plugin the CPU that a block was translated on, not the one that executes it.
 * One line of FILE for each event: kind, CPU, instructions of CPU 0, instructions of CPU 1, value. Kinds:
 *   m  a mark (tests/bench/marks.h), itself counted; value: its number
 *   d  a store to the doorbell's physical address; value: the CPU's own instructions before its last SVC
 *   s  the CPU's first instruction at a service's address (FROM-TO) after another CPU's doorbell, itself not counted; value: 0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugin.h"

EXPORT int qemu_plugin_version = 4;

enum { CPUS = 2 };
static uint64_t services_from, services_to, doorbell;
static FILE *out;

static void *identity;                // the register
static struct array *identity_value;
static uint64_t identities[CPUS];     // by CPU; CPU 0 comes first
static unsigned cpu;                  // that runs
static uint64_t executed[CPUS];
static uint64_t last_svc[CPUS];
static bool rung[CPUS];

static void event(char kind, uint64_t value)
{
  fprintf(out, "%c %u %lu %lu %lu\n", kind, cpu, (unsigned long)executed[0], (unsigned long)executed[1], (unsigned long)value);
}

static void start(uint64_t id, unsigned index)
{
  (void)id;
  (void)index;
  if (identity != NULL) return;
  const struct array *registers = qemu_plugin_get_registers();
  const struct register_description *description = registers->data;
  for (unsigned i = 0; i < registers->length; ++i)
    if (strcmp(description[i].name, "TPIDR_EL2") == 0) identity = description[i].handle;
  identity_value = g_byte_array_new();
}

/* A block begins: the only place where another CPU may have its turn. */
static void begin(unsigned translator, void *data)
{
  (void)translator;
  (void)data;
  uint64_t value = 0;
  g_byte_array_set_size(identity_value, 0);
  if (qemu_plugin_read_register(identity, identity_value) != sizeof(value)) return;
  memcpy(&value, identity_value->data, sizeof(value));
  if (value == 0) return;   // before the kernel
  for (unsigned i = 0; i < CPUS; ++i) {
    if (identities[i] == 0) identities[i] = value;
    if (identities[i] != value) continue;
    cpu = i;
    return;
  }
}

static void begin_of_service(unsigned translator, void *data)
{
  begin(translator, data);
  if (!rung[cpu]) return;
  rung[cpu] = false;
  event('s', 0);
}

static void plain(unsigned translator, void *data)
{
  (void)translator;
  (void)data;
  ++executed[cpu];
}

static void svc(unsigned translator, void *data)
{
  (void)translator;
  (void)data;
  last_svc[cpu] = executed[cpu]++;
}

static void mark(unsigned translator, void *number)
{
  (void)translator;
  ++executed[cpu];
  event('m', (uintptr_t)number);
}

static void store(unsigned translator, uint32_t info, uint64_t address, void *data)
{
  (void)translator;
  (void)data;
  const void *physical = qemu_plugin_get_hwaddr(info, address);
  if (physical == NULL || !qemu_plugin_hwaddr_is_io(physical) || qemu_plugin_hwaddr_phys_addr(physical) != doorbell) return;
  event('d', last_svc[cpu]);
  rung[1 - cpu] = true;
}

static void translate(uint64_t id, void *block)
{
  (void)id;
  const uint64_t address = qemu_plugin_tb_vaddr(block);
  const size_t instructions = qemu_plugin_tb_n_insns(block);
  const bool of_service = address >= services_from && address < services_to;
  qemu_plugin_register_vcpu_tb_exec_cb(block, of_service ? begin_of_service : begin, READS_REGISTERS, NULL);
  for (size_t i = 0; i < instructions; ++i) {
    void *instruction = qemu_plugin_tb_get_insn(block, i);
    uint32_t code = 0;
    qemu_plugin_insn_data(instruction, &code, sizeof(code));
    const uint32_t hint = (code & 0xfffff01f) == 0xd503201f ? code >> 5 & 0x7f : 0;
    if (hint >= 64)   // HINT #64 to #127 do nothing on a Cortex-A72
      qemu_plugin_register_vcpu_insn_exec_cb(instruction, mark, NO_REGISTERS, (void *)(uintptr_t)hint);
    else if (of_service && (code & 0xffe0001f) == 0xd4000001)
      qemu_plugin_register_vcpu_insn_exec_cb(instruction, svc, NO_REGISTERS, NULL);
    else
      qemu_plugin_register_vcpu_insn_exec_cb(instruction, plain, NO_REGISTERS, NULL);
    if ((code & 0xffc00000) == 0xb9000000)   // STR of 32 bits, as all stores to these doorbells are
      qemu_plugin_register_vcpu_mem_cb(instruction, store, NO_REGISTERS, WRITES, NULL);
  }
}

static void finish(uint64_t id, void *data)
{
  (void)id;
  (void)data;
  fclose(out);
}

EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
  (void)info;
  for (int i = 0; i < argc; ++i) {
    char *end;
    if (strncmp(argv[i], "services=", 9) == 0) {
      services_from = strtoul(argv[i] + 9, &end, 16);
      services_to = strtoul(end + 1, NULL, 16);
    } else if (strncmp(argv[i], "doorbell=", 9) == 0) {
      doorbell = strtoul(argv[i] + 9, NULL, 16);
    } else if (strncmp(argv[i], "out=", 4) == 0) {
      out = fopen(argv[i] + 4, "w");
    }
  }
  if (out == NULL || doorbell == 0) return 1;
  setvbuf(out, NULL, _IOLBF, 0);   // QEMU may be killed
  qemu_plugin_register_vcpu_init_cb(id, start);
  qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
  qemu_plugin_register_atexit_cb(id, finish, NULL);
  return 0;
}
