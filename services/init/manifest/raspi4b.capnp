# SPDX-License-Identifier: Apache-2.0
#
# Raspberry Pi 4 Model B, the board and QEMU's model of it (DESIGN 8).
@0x9b1f4f3bd62a4e51;

using Cxx = import "/capnp/c++.capnp";
using M = import "/proto/manifest.capnp";
using Common = import "/services/init/manifest/common.capnp";
$Cxx.namespace("pyrene::init::manifest");

const raspi4b :M.Manifest = (
  platform = "raspi4b",
  compatible = ["raspberrypi,4-model-b"],
  services = [.raspi4bConsole, Common.xenstore, Common.blkback, Common.xl, .emmc2],
  memories = [Common.journal, Common.xenstoreJournal, .emmc2Descriptors],
  channels = Common.channels,
  vmm = Common.vmm);

const raspi4bConsole :M.Service = (
  name = "console", file = "services/console", heapKib = 1024, quotaPages = 64, priority = 20,
  heartbeatMs = 4000, restart = always, logKib = 8,
  capabilities = [
    Common.events,
    (name = "uart", rights = Common.readWrite, device = (base = 0xfe201000, pages = 1)),
    (name = "uart.irq", irq = 153),
    (name = "kernelLog", rights = Common.readOnly, kernelLog = void),
    (name = "journal", rights = Common.readWrite, memory = "console.journal"),
    (name = "logs", rights = Common.readOnly, logs = void)]);

# Where ADMA2 finds its descriptors.
const emmc2Descriptors :M.SharedMemory = (name = "emmc2.descriptors", pages = 1, dma = true);

# Its arguments name its channels: none has a client yet.
const emmc2 :M.Service = (
  name = "emmc2", file = "services/emmc2", heapKib = 256, quotaPages = 48, priority = 24,
  heartbeatMs = 15000, restart = onFailure, logKib = 4,
  capabilities = [
    Common.events,
    (name = "registers", rights = Common.readWrite, device = (base = 0xfe340000, pages = 1)),
    (name = "irq", irq = 158),
    (name = "descriptors", rights = (read = true, write = true, dma = true), memory = "emmc2.descriptors"),
    (name = "deviceTree", rights = Common.readOnly, deviceTree = void)]);
